"""What is to end with a unit in the PKI, carried out (F-L4, F-D11); the outbox takes its record from the CPMS.

What holds without this, from the order of the steps alone (F-L3): until the step `ship` has switched the configuration,
a unit knows only its test endpoint and logs in with its test key; it is registered with a CPMS only after its release.
What does not hold by that order is mended here: a unit that fails once `ship` was begun loses its ship key, and so does
one that the station broke off and nobody goes on with for `UNFINISHED_HOURS`. Until then it stays connectable only to
a server that takes chargers it has no record of; a jam of the label printer must not cost a locked unit its key. A
released unit that is on hold keeps its key and its record: it has an owner, and may not be packed.
"""

import json
import time
from datetime import timedelta

from pki.environment import E, Ship, Test
from pki.issuer import Issuer
from pki.ledger import Reason
from station.bench import Services
from station.clock import utc_now
from station.model import Environment
from station.passwords import told
from station.records import Ending, OutboxRow
from station.steps.credentials import PROFILE
from station.strict import parse

UNFINISHED_HOURS = 72
"""A long weekend."""
LOOK_SECONDS = 60.0


class Endings:
    """The handler of messages that end a key, and the look after what nobody finished."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._next = 0.0

    def end(self, row: OutboxRow) -> bytes:
        """End a unit's living keys, with their certificates; none living is as good, so asking twice is.

        Raises:
            ServiceError: The PKI is away.
        """
        ending = parse(Ending, json.loads(row.body), f"message {row.ref}")
        with told():
            ended = [one.value for one in ending.environments if self._end_key(one, ending)]
        return (" ".join(ended) or "none was living").encode()

    def _end_key(self, environment: Environment, ending: Ending) -> bool:
        factory = self._services.factory
        if environment is Environment.SHIP:
            factory.forget_paper(ending.unit)
            return _lose(factory.issuer(Ship), ending)
        return _lose(factory.issuer(Test), ending)

    def look(self) -> None:
        """Queue the end of what was left unfinished for too long.

        Raises:
            ServiceError: The records are away.
        """
        if time.monotonic() < self._next:
            return
        self._services.records.end_unfinished(utc_now() - timedelta(hours=UNFINISHED_HOURS))
        self._next = time.monotonic() + LOOK_SECONDS


def _lose(issuer: Issuer[E], ending: Ending) -> bool:
    """End the unit's living key, with what was claimed for it; False where none lives."""
    key = issuer.current(ending.unit, PROFILE)
    if key is not None:
        issuer.lose(key, ending.reason, Reason(ending.revoked_as))
    return key is not None

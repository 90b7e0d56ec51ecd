"""Who tried to connect where: every accepted TCP connection is an attempt, also one that never gets through TLS.

Attribution, strongest first: the common name of a client certificate that a root of either environment vouches for;
the identity of a right password; the identity claimed in the path, unless its address is known to be another unit's;
the client's address, when every proven attempt from it was this unit's and it is not this very computer's. An attempt
still under way is attributed to nobody: the next byte may tell whose it is. What is left is counted as unattributed
and blames nobody, so a bench that wants every failed handshake attributed gives each charger its own address.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from station.clock import Deadline, utc_now
from station.errors import Service, ServiceError
from station.model import Environment


@dataclass(frozen=True)
class Attempt:
    """One TCP connection to one persona, with what is known of it so far."""

    number: int
    environment: Environment
    address: str
    at: datetime
    owner: str = ""
    """The name a certificate or password proved."""
    claimed: str = ""
    """The identity in the path; anybody can write one."""
    verdict: str = "no TLS handshake"
    settled: bool = False
    """Whether nothing more will become known."""
    local: bool = False
    """Whether it came from this computer, where an address tells nothing."""


class AttemptLog:
    """The latest attempts on all personas; written by the loop thread, read by slot threads."""

    def __init__(self, size: int = 4096, patience_seconds: float = 20.0) -> None:
        self._patience = timedelta(seconds=patience_seconds)
        self._attempts: deque[Attempt] = deque(maxlen=size)
        self._changed = threading.Condition()
        self._total = 0

    def mark(self) -> int:
        """Return the number of attempts so far; later ones have a higher number."""
        with self._changed:
            return self._total

    def opened(self, environment: Environment, address: str, *, local: bool = False) -> int:
        """Note an accepted TCP connection and return its number."""
        with self._changed:
            self._total += 1
            self._attempts.append(Attempt(self._total, environment, address, utc_now(), local=local))
            self._changed.notify_all()
            return self._total

    def learned(self, number: int, verdict: str, *, owner: str = "", claimed: str = "", settled: bool = False) -> None:
        """Write down what became known of an attempt, in place of what was known before."""
        with self._changed:
            index = number - self._total + len(self._attempts) - 1
            if index >= 0:
                known = self._attempts[index]
                self._attempts[index] = replace(known, verdict=verdict, owner=owner, claimed=claimed, settled=settled)
                self._changed.notify_all()

    def latest(self, environment: Environment) -> tuple[Attempt, ...]:
        """Return the attempts on a persona that are still remembered, oldest first."""
        with self._changed:
            return tuple(attempt for attempt in self._attempts if attempt.environment is environment)

    def of_unit(self, environment: Environment, names: frozenset[str], since: int) -> tuple[Attempt, ...]:
        """Return the attempts of a unit on a persona after a mark.

        Raises:
            ServiceError: So many attempts followed that some are forgotten, and their number cannot be proven.
        """
        with self._changed:
            return self._select(environment, since, lambda attempt: self._belongs(attempt, names))

    def unattributed(self, environment: Environment, names: frozenset[str], since: int) -> tuple[Attempt, ...]:
        """Return the attempts from the unit's addresses that may be its own or another unit's."""
        with self._changed:
            return self._select(environment, since, lambda attempt: self._ambiguous(attempt, names))

    def nameless(self, environment: Environment, since: int) -> tuple[Attempt, ...]:
        """Return the attempts after a mark that ended before anybody could be named."""
        with self._changed:
            return self._select(environment, since, lambda attempt: not attempt.owner and not attempt.claimed)

    def wait_for_unit(
        self, environment: Environment, names: frozenset[str], since: int, deadline: Deadline
    ) -> tuple[Attempt, ...]:
        """Wait until the unit tries to connect to a persona; return nothing when it did not until the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: self.of_unit(environment, names, since), deadline.remaining)
            return self.of_unit(environment, names, since)

    def _select(self, environment: Environment, since: int, wanted: Callable[[Attempt], bool]) -> tuple[Attempt, ...]:
        if self._attempts and self._attempts[0].number > since + 1:
            raise ServiceError(
                Service.NETWORK,
                f"More than {self._attempts.maxlen} connection attempts came in during one watch.",
                hint="Find out what floods the bench network.",
                stops_line=False,
            )
        late = (attempt for attempt in self._attempts if attempt.number > since)
        return tuple(attempt for attempt in late if attempt.environment is environment and wanted(attempt))

    def _belongs(self, attempt: Attempt, names: frozenset[str]) -> bool:
        if attempt.owner:
            return attempt.owner in names
        owners = self._owners(attempt.address)
        if attempt.claimed:
            return attempt.claimed in names and (not owners or bool(owners & names))
        return not attempt.local and self._settled(attempt) and bool(owners) and owners <= names

    def _settled(self, attempt: Attempt) -> bool:
        return attempt.settled or utc_now() - attempt.at > self._patience

    def _ambiguous(self, attempt: Attempt, names: frozenset[str]) -> bool:
        owners = self._owners(attempt.address)
        nameless = not attempt.owner and not attempt.claimed
        return nameless and bool(owners & names) and not self._belongs(attempt, names)

    def _owners(self, address: str) -> frozenset[str]:
        return frozenset(attempt.owner for attempt in self._attempts if attempt.address == address and attempt.owner)

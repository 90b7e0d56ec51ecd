"""Acceptance alone: a unit whose identity and certificate are known proves itself over OCPP once more (rework, RMA).

Outside of any run: it has an outcome of its own, and no passport, label or registration changes. While the daemon
serves this station directory it holds all slots and the endpoints that units connect to, so this is refused then.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pki.environment import Test
from station.acceptance import AcceptanceServer
from station.acceptance.sequence import ignore_progress
from station.bench import Bench, Services, UnitInWork
from station.callers import given_secret
from station.catalog.recipes import Recipe
from station.changeover import acceptance_limits
from station.clock import Deadline
from station.config import StationConfig
from station.cpms import open_cpms
from station.daemon import acceptance_config, only_one
from station.detect import find_node, open_ports
from station.documents.printers import open_printer
from station.drivers import Charger
from station.drivers.relay import powered
from station.drivers.table import DRIVERS
from station.errors import Aborted, ConfigError, Defect, LinkError, ServiceError, StationError, UnitError
from station.factory import opened_factory
from station.model import Environment, Outcome, Phase, SlotState
from station.passwords import told
from station.person import Person
from station.records import Records, RowRef, UnitRow, open_records
from station.records.values import FINAL
from station.releases import ordered
from station.rework import NO_RUN
from station.steps.accept import accept
from station.steps.credentials import Enrolment
from station.steps.identify import identify
from station.version import software_version

log = logging.getLogger(__name__)

KIND = "acceptance"
"""Kind of the event that records it; its subject is the unit."""
IDENTIFY_SECONDS = 20.0
ACCEPT_SECONDS = 1800.0


@dataclass(frozen=True)
class Proof:
    """How an acceptance alone ended."""

    unit: str
    outcome: Outcome
    seconds: float
    reason: str = ""
    hint: str = ""
    fault: str = ""
    checks: tuple[dict[str, Any], ...] = ()
    """Name, outcome and seconds of each check."""
    failed: tuple[str, ...] = ()
    """Measurements that were not as expected, by name."""
    detail: dict[str, Any] = field(default_factory=dict)
    event: str = ""
    """Id of the event that records it."""


@dataclass(frozen=True)
class Alone:
    """The person of an acceptance alone: answers for it, and is asked for no scan."""

    person: Person

    @property
    def who(self) -> str:
        """Return the person's id."""
        return self.person.id

    def ask(
        self, sentence: str, hint: str, judge: Callable[[str], str], state: SlotState = SlotState.WAITING_FOR_LABEL
    ) -> str:
        """Have nobody who scans.

        Raises:
            Aborted: Always.
        """
        del hint, judge, state
        raise Aborted(f"Nobody scans here: {sentence}")


def prove_alone(config: StationConfig, serial: str, slot: str, person: Person) -> Proof:
    """Let the unit in a slot go through the acceptance of its product, and record how that ended.

    Raises:
        ConfigError: The station runs, the slot or unit is not known, or the unit can't be proven as it is: it is at
            its ship endpoint, or does not hold its test credentials; or another charger is in the slot.
        UnitError: What is in the slot does not tell who it is.
        LinkError: Nothing is in the slot, or it does not answer.
        ServiceError: The HSM or the records are away.
    """
    with only_one(config.directory), open_records(config.database_url, config.station.id) as records:
        unit = _known(records, serial)
        order = records.order(unit.work_order)
        if order is None:
            raise RuntimeError(f"unit {serial} has no order")
        recipe = ordered(config, records, order)
        with slot_charger(config, recipe.product.driver, slot) as charger, _services(config, recipe, records) as shared:
            relay = powered(next(place.relay for place in config.slot if place.name == slot))
            bench = _bench(shared, recipe, unit, charger, person)
            bench.relay = relay
            proof = _proof(bench)
            return _recorded(records, proof, slot, recipe, person)


@contextmanager
def slot_charger(config: StationConfig, driver: str, name: str) -> Iterator[Charger]:
    """Yield the charger in a slot; whoever uses it holds the station directory's lock (`station.daemon.only_one`).

    Raises:
        ConfigError: There is no such slot.
    """
    if name not in {slot.name for slot in config.slot}:
        known = ", ".join(slot.name for slot in config.slot)
        raise ConfigError(f"there is no slot '{name[:16]}'", hint=f"Slots: {known}.")
    ports = open_ports(config.located(config.station.ports))
    try:
        charger = DRIVERS[driver](lambda: find_node(config.slot, name, ports.list()))
        try:
            yield charger
        finally:
            charger.close()
    finally:
        ports.close()


def _known(records: Records, serial: str) -> UnitRow:
    unit = records.unit(serial)
    if unit is None:
        raise ConfigError(f"there is no unit {serial[:40]} in these records", hint="Check the serial number.")
    if unit.state in FINAL:
        raise ConfigError(f"unit {serial} was {unit.state.value}", hint="Put it with the scrap.")
    return unit


@contextmanager
def _services(config: StationConfig, recipe: Recipe, records: Records) -> Iterator[Services]:
    """Yield the endpoints and the issuer; no CPMS and no printer, as nothing is registered or printed."""
    with opened_factory(config) as factory:
        acceptance = AcceptanceServer(acceptance_config(config, factory))
        acceptance.adopt(acceptance_limits(recipe))
        acceptance.start()
        try:
            cpms, given = (
                open_cpms("none:", lambda: "", config.directory),
                partial(given_secret, directory=config.directory),
            )
            yield Services(records, factory, acceptance, cpms, open_printer("discard:"), given)
        finally:
            acceptance.stop()


def _bench(services: Services, recipe: Recipe, unit: UnitRow, charger: Charger, person: Person) -> Bench:
    order = services.records.order(unit.work_order)
    work = UnitInWork(unit.serial, bytes.fromhex(unit.hardware_uid), unit.work_order, order.customer if order else "")
    identity = charger.identify(Deadline(IDENTIFY_SECONDS))
    return Bench(services, recipe, work, NO_RUN, charger, Alone(person), identity, threading.Event(), ignore_progress)


def _refuse_unfit(bench: Bench) -> None:
    """Refuse what could not be proven, before anything is done; who is in the slot is settled here too.

    Raises:
        ConfigError: It is another charger, or it is not at its test endpoint with the test credentials it was given.
        UnitError: It is not as its product is.
    """
    serial = bench.unit.serial
    if bench.identity.uid != bench.unit.hardware_uid:
        told = f"another charger is in the slot, and not unit {serial}: {bench.identity.uid.hex()}"
        raise ConfigError(told, hint="Plug in the unit that is to be proven.")
    identify(bench, Deadline(IDENTIFY_SECONDS))
    bench.expected(Environment.TEST)
    if bench.phase is not Phase.TEST:
        raise ConfigError(f"unit {serial} is {_STANDS[bench.phase]}", hint=SEND_TO_REWORK)
    if bench.recipe.product.abilities.receipts and not _holds_its_key(bench):
        raise ConfigError(f"unit {serial} does not hold the test key that it has in the ledger", hint=SEND_TO_REWORK)


def _holds_its_key(bench: Bench) -> bool:
    """Tell whether the unit has the key it is expected with: a renewal that was cut off leaves it with the one before.

    Raises:
        UnitError: It does not prove the key that it says it has.
        ServiceError: The HSM or the ledger is away.
    """
    issuer = bench.services.factory.issuer(Test)
    with told():
        return Enrolment(bench, Environment.TEST, issuer, Deadline(IDENTIFY_SECONDS)).challenged()


SEND_TO_REWORK = "Send it to rework, which makes it a unit to be proven again."
_STANDS = {
    Phase.BLANK: "blank: it was given nothing to connect with",
    Phase.SHIP: "at its ship endpoint: only its operator's server can let it in",
    Phase.SEALED: "sealed: it trusts its ship endpoint alone, and only its operator's server can let it in",
}


def _proof(bench: Bench) -> Proof:
    """Settle who is in the slot, and let the unit go through the sequence; what goes wrong then is its outcome.

    Raises:
        ConfigError: It can't be proven as it is.
        LinkError: It stopped answering before anything was done.
        ServiceError: The HSM or the ledger is away.
    """
    ended = partial(_ended, bench, time.monotonic())
    try:
        _refuse_unfit(bench)
    except UnitError as error:
        return ended(Outcome.FAIL, error, error.defect.value)
    try:
        _prove(bench, Deadline(ACCEPT_SECONDS))
    except UnitError as error:
        return ended(Outcome.FAIL, error, error.defect.value)
    except StationError as error:
        return ended(Outcome.ERROR, error, _fault(error))
    except Exception as error:  # the boundary, as of a run: a bug of ours must never pass, fail or silence a unit
        log.exception("acceptance of unit %s", bench.unit.serial)
        return ended(Outcome.ERROR, StationError(f"The station failed ({type(error).__name__})."), "bug")
    return ended(Outcome.PASS)


def _prove(bench: Bench, deadline: Deadline) -> None:
    """Restart the unit and let it go through the sequence."""
    with bench.resources:
        bench.expect_visit()
        bench.restart(deadline)
        _refuse_other_configuration(bench, deadline)
        accept(bench, deadline)


def _fault(error: StationError) -> str:
    """Return what an error of the station counts as, as in the records of runs."""
    match error:
        case LinkError():
            return "link"
        case ServiceError(service=service):
            return service.value
        case Aborted():
            return "aborted"
    return "config"


def _refuse_other_configuration(bench: Bench, deadline: Deadline) -> None:
    """Demand that the unit is as it was configured for the test.

    Raises:
        UnitError: It is not; names the settings.
    """
    differing = bench.settings_differ(bench.configuration(Environment.TEST).readable, deadline)
    if differing:
        told = f"The device is not as it was configured: {', '.join(sorted(differing)[:5])}."
        raise UnitError(Defect.CONFIGURATION, told)


def _ended(bench: Bench, started: float, outcome: Outcome, error: StationError | None = None, fault: str = "") -> Proof:
    detail: dict[str, Any] = dict(bench.detail)
    return Proof(
        unit=bench.unit.serial,
        outcome=outcome,
        seconds=round(time.monotonic() - started, 3),
        reason=error.message if error else "",
        hint=error.hint if error else "",
        fault=fault,
        checks=tuple(detail.pop("checks", ())),
        failed=tuple(taken.name for taken in bench.measurements if not taken.passed),
        detail=detail,
    )


def _recorded(records: Records, proof: Proof, slot: str, recipe: Recipe, person: Person) -> Proof:
    """Record how it ended, where everybody finds it who looks for the unit."""
    body = {
        "outcome": proof.outcome.value, "reason": proof.reason, "fault": proof.fault, "seconds": proof.seconds,
        "slot": slot, "recipe": recipe.title, "digest": recipe.digest, "firmware": recipe.release.version,
        "software": software_version(), "checks": proof.checks, "failed": proof.failed, "detail": proof.detail,
    }  # fmt: skip
    row: RowRef = records.event(KIND, proof.unit, json.loads(json.dumps(body, default=str)), person.id)
    return replace(proof, event=str(row))

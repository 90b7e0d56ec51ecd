"""What one run works with: the charger in the slot, the definitions, the services, and the record under way.

A step gets a `Bench` and nothing else. It measures, notes and reports progress through it, so the record is filled
while the step works, also when the step fails.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pki.environment import Ship, Test
from pki.issue import Factory
from pki.issuer import Issuer
from station.acceptance import AcceptanceServer, CheckResult, Expected, Visit
from station.catalog.configuration import Configuration, Secrets, no_secret, render
from station.catalog.recipes import Recipe
from station.clock import Deadline
from station.cpms import Cpms, Credentials
from station.documents.label_shelf import LabelShelf
from station.documents.printer import Printer
from station.drivers import Charger
from station.drivers.relay import NO_RELAY, Relay
from station.errors import Aborted, ConfigError
from station.identifiers import Kind
from station.identifiers.cartons import CartonBlock
from station.model import DeviceIdentity, Environment, Measurement, OcppVersion, Phase, SlotState
from station.passwords import InsideSecrets, OcppPasswords, told
from station.person import Person
from station.records import Records, RunRef, RunRequest, WorkOrder

Value = str | float | bool
T = TypeVar("T")


class Operator(Protocol):
    """The person at the slot."""

    @property
    def who(self) -> str:
        """Return the id of the person who answered last, or else who the run was begun for."""
        ...

    def ask(
        self, sentence: str, hint: str, judge: Callable[[str], str], state: SlotState = SlotState.WAITING_FOR_LABEL
    ) -> str:
        """Show what to scan and return the first scan for which `judge` answers no refusal.

        Raises:
            Aborted: The station stops.
        """
        ...


class Attendance(Protocol):
    """Who is at this station; safe from all threads."""

    def present(self) -> Person | None:
        """Return who signed in here last and is not locked for being idle."""
        ...

    def seen(self, person: Person) -> None:
        """Take note that a person just acted here."""
        ...

    def sign_out(self) -> None:
        """Take note that nobody is here any more."""
        ...


class Nobody:
    """An attendance for what is done without people at a line: nobody is ever present."""

    def present(self) -> Person | None:
        """Return nobody."""
        return None

    def seen(self, person: Person) -> None:
        """Take no note."""

    def sign_out(self) -> None:
        """Do nothing."""


class Permits(Protocol):
    """Who outside of the station has a say in what begins here: the MES; safe from all threads."""

    def permit(self, request: RunRequest) -> RunRequest:
        """Return the request with what was said of it; asked before each run, outside of any transaction.

        Raises:
            Interlocked: It may not begin now.
        """
        ...


class Unasked:
    """Nobody has a say."""

    def permit(self, request: RunRequest) -> RunRequest:
        """Return the request as it is."""
        return request


def unheard(doing: str) -> None:
    """Tell nobody what is being done."""


@dataclass(frozen=True)
class Labelling:
    """What the station knows of its labels."""

    dpi: int = 203
    """Resolution of the label printer."""
    cartons: CartonBlock = field(default_factory=CartonBlock)
    """Numbers of cartons; an empty block has the number of each carton scanned."""
    shelf: LabelShelf = field(default_factory=LabelShelf)
    """What the slots made lately, for the pages."""


@dataclass(frozen=True)
class Services:
    """What all slots of a station share."""

    records: Records
    factory: Factory
    acceptance: AcceptanceServer
    cpms: Cpms
    printer: Printer
    secrets: Secrets = no_secret
    """Secrets of the station that a configuration may need, such as an APN's password."""
    attendance: Attendance = field(default_factory=Nobody)
    """Who works at the slots: without anybody no run begins."""
    mes: Permits = field(default_factory=Unasked)
    """The manufacturing execution system, asked before each run."""
    relays: Mapping[str, Relay] = field(default_factory=dict)
    """Of the slots that have one, by the slot's name."""
    labelling: Labelling = field(default_factory=Labelling)
    """How labels are made here."""

    @property
    def passwords(self) -> OcppPasswords:
        """Return the units' OCPP passwords."""
        return OcppPasswords(self.factory)

    @property
    def secrets_inside(self) -> InsideSecrets:
        """Return the secrets on labels inside units."""
        return InsideSecrets(self.factory)

    def credentials(self, unit: str, cpms: str) -> Credentials:
        """Return what a released unit logs in with, for its CPMS; the password stays sealed until it is asked for.

        Raises:
            ServiceError: The ledger is away.
        """
        with told():
            certificate = self.issuer(Environment.SHIP).certificate(unit)
        chain = certificate.chain_pem if certificate else ""
        return Credentials(self.passwords.for_cpms(unit, cpms), chain)

    def issuer(self, environment: Environment) -> Issuer[Test] | Issuer[Ship]:
        """Return the issuer of an environment; its type keeps the hierarchies apart inside pki."""
        return self.factory.issuer(Test) if environment is Environment.TEST else self.factory.issuer(Ship)


@dataclass(frozen=True)
class Assignment:
    """What the line builds now, and with what; replaced as a whole when another order is selected."""

    order: WorkOrder
    recipe: Recipe
    services: Services


@dataclass(frozen=True)
class UnitInWork:
    """The unit of a run, as the work order and the serial block name it."""

    serial: str
    hardware_uid: bytes
    work_order: str
    customer: str

    @property
    def ocpp_identity(self) -> str:
        """Return the OCPP identity: it equals the serial, in one place (F-B6)."""
        return self.serial


@dataclass
class Bench:
    """One run's view of the world."""

    services: Services
    recipe: Recipe
    unit: UnitInWork
    run: RunRef
    charger: Charger
    operator: Operator
    identity: DeviceIdentity
    stopping: threading.Event
    on_progress: Callable[[float], None]
    on_doing: Callable[[str], None] = unheard
    """Told what the running step does now."""
    relay: Relay = NO_RELAY
    """Of the slot's power."""
    phase: Phase = Phase.BLANK
    hardware: str = ""
    """Hardware revision that was recognised; empty where the hardware shows none."""
    measurements: list[Measurement] = field(default_factory=list)
    detail: dict[str, object] = field(default_factory=dict)
    proven: set[str] = field(default_factory=set)
    """What was proven once in this run and need not be again."""
    resources: ExitStack = field(default_factory=ExitStack)
    """What ends with the run, or before: the visit at the test endpoint."""
    visit: Visit | None = None
    """The unit's visit at the test endpoint, open from the step that makes it connect."""

    def measure(self, name: str, value: Value, *, expected: Value | None = None) -> bool:
        """Record a value, judged by equality where one is expected; return the verdict."""
        passed = expected is None or value == expected
        self.measurements.append(Measurement(name, value, expected=expected, passed=passed))
        return passed

    def measure_within(self, name: str, value: float, unit: str, low: float, high: float) -> bool:
        """Record a value, judged by its limits; return the verdict."""
        passed = low <= value <= high
        self.measurements.append(Measurement(name, value, unit=unit, low=low, high=high, passed=passed))
        return passed

    def ask(
        self, sentence: str, hint: str, judge: Callable[[str], str], state: SlotState = SlotState.WAITING_FOR_LABEL
    ) -> str:
        """Ask the person at the slot, as `Operator.ask`; what the step waits for them is noted apart from its work."""
        began = time.monotonic()
        try:
            return self.operator.ask(sentence, hint, judge, state)
        finally:
            before = self.detail.get("waited_seconds", 0.0)
            waited = time.monotonic() - began + (before if isinstance(before, float) else 0.0)
            self.note(waited_seconds=round(waited, 3))

    def note(self, **values: object) -> None:
        """Add facts to the step's record."""
        self.detail.update(values)

    def progress(self, share: float) -> None:
        """Tell how much of the step is done, 0 to 1, and end here if the station stops.

        Raises:
            Aborted: The station is being stopped.
        """
        if self.stopping.is_set():
            raise Aborted("The station was stopped.")
        self.on_progress(min(1.0, max(0.0, share)))

    def options(self, cls: type[T]) -> T:
        """Return a step's options by their type: as the recipe gives them, or as they are by default."""
        return next((found for found in self.recipe.options.values() if isinstance(found, cls)), None) or cls()

    def configuration(self, environment: Environment) -> Configuration:
        """Render this unit's configuration of an environment."""
        unit = {
            "serial": self.unit.serial,
            "ocpp_identity": self.unit.ocpp_identity,
            "customer": self.unit.customer,
            "slot": environment.value,
        }
        return render(self.recipe, self.recipe.environment(environment), unit, self.services.secrets)

    def key_slot(self, environment: Environment) -> str:
        """Return the device's key slot of an environment; empty where the hardware has one slot only."""
        return environment.value if self.recipe.product.abilities.key_slots else ""

    def expected(self, environment: Environment) -> Expected:
        """Return whom the acceptance server has to expect, from the record and the ledger alone.

        Raises:
            ConfigError: No certificate has been issued yet: the steps are in the wrong order.
        """
        certificate = self.services.issuer(environment).certificate(self.unit.serial)
        if certificate is None:
            raise ConfigError(f"unit {self.unit.serial} has no {environment} certificate")
        product, passwords = self.recipe.product, self.services.passwords
        return Expected(
            environment=environment,
            identity=self.unit.ocpp_identity,
            serial=self.unit.serial,
            certificate_sha256=certificate.sha256,
            certificate_serial=certificate.serial,
            version=OcppVersion(product.ocpp_version),
            security_profile=product.security_profile,
            password=passwords.verifier(self.unit.serial, environment) if product.password.key else None,
            vendor=product.vendor,
            model=product.model,
            firmware=self.recipe.release.version,
            connectors=product.connector,
            path=urlsplit(self.recipe.environment(environment).endpoint).path,
            **self._numbers(),
        )

    def _numbers(self) -> dict[str, Any]:
        """Return what the unit must tell of its parts, of what was captured from it."""
        if not self.recipe.product.captures:
            return {}
        records, unit = self.services.records, self.unit.serial
        found = {row.kind: row.written for row in records.identifiers(unit)}
        meters = {row.evse: row.serial for row in records.meters(unit) if row.serial}
        return {"iccid": found.get(Kind.ICCID, ""), "imsi": found.get(Kind.IMSI, ""), "meters": meters}

    def expect_visit(self) -> Visit:
        """Open the test endpoint for this unit until the run ends; opening it twice is one visit."""
        if self.visit is None:
            expected = self.expected(Environment.TEST)
            self.visit = self.resources.enter_context(self.services.acceptance.expect(expected))
        return self.visit

    def end_visit(self) -> None:
        """Close the test endpoint for this unit."""
        self.resources.close()
        self.visit = None

    def take_checks(self, results: Sequence[CheckResult]) -> None:
        """Put the results of an acceptance sequence into the step's record."""
        self.note(checks=[_noted(result) for result in results])
        for result in results:
            self.measurements.extend(result.measurements)

    def restart(self, deadline: Deadline) -> None:
        """Restart the device and take note of who came back."""
        self.charger.restart(deadline.at_most(self.recipe.product.limits.restart))
        self.identity = self.charger.identify(deadline)

    def settings_differ(self, wanted: Mapping[str, bytes], deadline: Deadline) -> tuple[str, ...]:
        """Read settings back and return the names that differ."""
        found = self.charger.read_settings(tuple(wanted), deadline)
        return tuple(key for key, value in wanted.items() if found.get(key) != value)


def _noted(result: CheckResult) -> dict[str, object]:
    """Return what a step's record keeps of a check; why it was left out, or what it found beside its values."""
    kept: dict[str, object] = {"name": result.name, "outcome": result.outcome.value, "seconds": result.seconds}
    return {**kept, "detail": result.detail} if result.detail else kept

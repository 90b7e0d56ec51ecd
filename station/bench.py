"""What one run works with: the charger in the slot, the definitions, the services, and the record under way.

A step gets a `Bench` and nothing else. It measures, notes and reports progress through it, so the record is filled
while the step works, also when the step fails.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from pki.environment import Ship, Test
from pki.issue import Factory
from pki.issuer import Issuer
from station.acceptance import AcceptanceServer, CheckResult, Expected, Visit
from station.catalog.configuration import Configuration, render
from station.catalog.recipes import Recipe
from station.clock import Deadline
from station.cpms import Cpms
from station.documents.printer import Printer
from station.drivers import Charger
from station.errors import Aborted, ConfigError
from station.model import DeviceIdentity, Environment, Measurement, OcppVersion, Phase
from station.records import Records, RunRef

Value = str | float | bool


class Operator(Protocol):
    """The person at the slot."""

    def ask(self, sentence: str, hint: str, judge: Callable[[str], str]) -> str:
        """Show what to scan and return the first scan for which `judge` answers no refusal.

        Raises:
            Aborted: The station stops.
        """
        ...


@dataclass(frozen=True)
class Services:
    """What all slots of a station share."""

    records: Records
    factory: Factory
    acceptance: AcceptanceServer
    cpms: Cpms
    printer: Printer

    def issuer(self, environment: Environment) -> Issuer[Test] | Issuer[Ship]:
        """Return the issuer of an environment; its type keeps the hierarchies apart inside pki."""
        return self.factory.issuer(Test) if environment is Environment.TEST else self.factory.issuer(Ship)


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
    phase: Phase = Phase.BLANK
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

    def configuration(self, environment: Environment) -> Configuration:
        """Render this unit's configuration of an environment."""
        unit = {
            "serial": self.unit.serial,
            "ocpp_identity": self.unit.ocpp_identity,
            "customer": self.unit.customer,
            "slot": environment.value,
        }
        return render(self.recipe, self.recipe.environment(environment), unit)

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
        product = self.recipe.product
        return Expected(
            environment=environment,
            identity=self.unit.ocpp_identity,
            serial=self.unit.serial,
            certificate_sha256=certificate.sha256,
            certificate_serial=certificate.serial,
            version=OcppVersion(product.ocpp_version),
            security_profile=product.security_profile,
            password=None,
            vendor=product.vendor,
            model=product.model,
            firmware=self.recipe.release.version,
            connectors=product.connector,
            path=urlsplit(self.recipe.environment(environment).endpoint).path,
        )

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
        self.note(checks=[{"name": r.name, "outcome": r.outcome.value, "seconds": r.seconds} for r in results])
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

"""Runs a few checks of a product's own over one station: the test's, or the simulated charger."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance_station import V16, Station
from test_acceptance_charger import Device, running

from station.acceptance import CheckResult, Exam, adjusted, for_product, run_checks
from station.catalog.acceptance import Acceptance
from station.clock import Deadline
from station.model import Connector, Environment

PLAN = Acceptance(vehicle="charger/test/{letter}/vehicle", security_events=("StartupOfTheDevice",), offline_seconds=0.3)
BEFORE = ("connect", "boot", "accept")


@dataclass
class Rig:
    """A fixture for a simulated charger in this process: its plug for the vehicle and the switch of its power."""

    device: Device
    plugs: list[tuple[str, bool]] = field(default_factory=list)
    keeps_time: bool = True
    """Whether the charger's clock goes on without power."""

    def vehicle(self, outlet: Connector, *, plugged: bool, deadline: Deadline) -> None:
        self.plugs.append((outlet.letter, plugged))
        self.device.settings[f"charger/test/{outlet.letter.lower()}/vehicle"] = "on" if plugged else "off"

    def power_cycle(self, seconds: float, deadline: Deadline) -> None:
        time.sleep(seconds)
        if not self.keeps_time:
            self.device.offset = Device.LOST
        self.device.loop.call_soon_threadsafe(self.device.request_reboot, "PowerUp")

    def clock_offset(self, deadline: Deadline) -> float:
        return self.device.offset.total_seconds()


def simulated(bench: Any, version: str, fault: str = "") -> Device:
    """Return a simulated charger with a certificate of this bench; it is off."""
    return Device(bench.credential(), bench.server.port(Environment.TEST), bench.bench_root.pem, version, fault)


def examine(
    bench: Any,
    unit: Device | Station,
    *names: str,
    plan: Acceptance = PLAN,
    about: Mapping[str, Any] | None = None,
    **told: Any,
) -> list[CheckResult]:
    """Let a unit be accepted and perform the checks of these names; `about` changes the work order."""
    version = unit.settings["charger/ocpp/version"] if isinstance(unit, Device) else unit.version
    expected = replace(bench.expected(unit.credential, version), **(about or {}))
    checks = [check for check in for_product(plan) if check.name in {*BEFORE, *names}]
    alive: AbstractContextManager[Any] = running(unit) if isinstance(unit, Device) else unit
    with bench.server.expect(expected) as visit, alive:
        exam = Exam(visit, told.pop("settings", {}), Deadline(30), plan=plan, **told)
        short = {check.name: min(check.limit_seconds, 6.0) for check in checks}
        results = run_checks(adjusted(checks, short, _optional(checks)), exam, lambda share: None)
    return [result for result in results if result.name not in BEFORE]


def _optional(checks: Any) -> frozenset[str]:
    return frozenset(check.name for check in checks if not check.mandatory)


def values(result: CheckResult) -> dict[str, Any]:
    """Return what a check measured, by name."""
    return {measurement.name: measurement.value for measurement in result.measurements}


class Reporter(Station):
    """A station whose reports a test chooses."""

    samples: tuple[dict[str, Any], ...] = ({"value": "0"},)
    event: str = ""
    """Type of the security event that each start brings."""
    boots_again: bool = True
    """Whether it boots when it comes back, or just goes on."""
    comes_back: bool = True
    breaks: bool = False
    """Whether its first connector is faulted when it comes back."""

    def boot(self) -> None:
        if self.boots_again or not self.accepted:
            super().boot()

    def open(self, **options: Any) -> Any:
        if self.accepted and not self.comes_back:
            raise OSError("it stays away")
        self.faulted_connectors = (1,) if self.accepted and self.breaks else ()
        return super().open(**options)

    def _answered(self, message: list[Any]) -> None:
        was = self.accepted
        super()._answered(message)
        if self.event and self.accepted and not was:
            self.ask("SecurityEventNotification", {"type": self.event, "timestamp": self.now()})

    def after_triggermessage(self, payload: dict[str, Any]) -> None:
        if payload["requestedMessage"] != "MeterValues":
            super().after_triggermessage(payload)
            return
        reading = [{"timestamp": self.now(), "sampledValue": list(self.samples)}]
        where = (
            {"connectorId": payload.get("connectorId")} if self.version == V16 else {"evseId": payload["evse"]["id"]}
        )
        self.ask("MeterValues", {**where, "meterValue": reading})


def reporter(bench: Any, version: str, **traits: Any) -> Reporter:
    """Return a station with some traits of `Reporter`; it is off."""
    own = {name: traits.pop(name) for name in list(traits) if name in Reporter.__annotations__}
    made = Reporter(
        bench.server.port(Environment.TEST), bench.bench_root.pem, bench.credential(), version=version, **traits
    )
    for name, value in own.items():
        setattr(made, name, value)
    return made

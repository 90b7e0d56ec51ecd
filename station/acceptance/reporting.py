"""What a unit reports when it is asked or by itself: meter values as they were configured, and security events."""

import math
from collections.abc import Sequence

from station.acceptance.checks import must_accept, no_effect
from station.acceptance.dialect import Reading
from station.acceptance.messages import printable, violations
from station.acceptance.sequence import Exam
from station.acceptance.visit import Received
from station.errors import Defect, UnitError
from station.model import Connector

USUAL_UNITS = {
    "Energy.Active": ("Wh", "kWh"),
    "Energy.Reactive": ("varh", "kvarh"),
    "Energy.Apparent": ("VAh", "kVAh"),
    "Power.Active": ("W", "kW"),
    "Power.Offered": ("W", "kW"),
    "Power.Reactive": ("var", "kvar"),
    "Current": ("A",),
    "Voltage": ("V",),
    "Temperature": ("Celsius", "Fahrenheit", "K"),
    "SoC": ("Percent",),
}
"""Units of OCPP by the beginning of the measurand's name; a product may demand one of its own."""


def meter_values(exam: Exam) -> None:
    """Ask each outlet for its meter values once, and judge schema, measurands, units and numbers (F-E6)."""
    wanted = _configured(exam)
    exam.measure("measurands", printable(",".join(wanted)))
    for connector in exam.visit.expected.connectors:
        _judge(exam, connector, _asked(exam, connector), wanted)


def _configured(exam: Exam) -> tuple[str, ...]:
    """Return the measurands that the unit was told to send, or else says that it sends."""
    for name in exam.dialect.measurands:
        value = exam.settings.get(name) or exam.dialect.read(exam.visit, name, exam.deadline)
        if value:
            return tuple(word.strip() for word in value.split(",") if word.strip())
    return ()


def _asked(exam: Exam, connector: Connector) -> Sequence[Reading]:
    visit, waited = exam.visit, exam.effect()
    answer = exam.dialect.trigger(visit, "MeterValues", connector, waited)
    must_accept("TriggerMessage(MeterValues)", answer.status)

    def look() -> Received | None:
        sent = visit.messages("MeterValues", answer.position)
        return next((m for m in sent if exam.dialect.readings(m.payload)[0] == connector.evse), None)

    found = visit.until(look, waited)
    if found is None:
        told = f"no MeterValues of connector {connector.evse} within {waited.seconds:.3g} s"
        raise no_effect("TriggerMessage(MeterValues)", told)
    _refuse_broken(exam, found)
    return exam.dialect.readings(found.payload)[1]


def _judge(exam: Exam, connector: Connector, readings: Sequence[Reading], wanted: Sequence[str]) -> None:
    where = f"The meter values of connector {connector.evse}"
    if not readings:
        raise UnitError(Defect.OCPP, f"{where} are empty.")
    for measurand in wanted or [readings[0].measurand]:
        told = [reading for reading in readings if reading.measurand == measurand]
        if not told:
            raise UnitError(Defect.OCPP, f"{where} lack {printable(measurand)}, which is configured.")
        for reading in told:
            _judge_reading(exam, where, reading)
        exam.measure(f"meter_{connector.evse}_{printable(measurand)}", float(told[0].value), printable(told[0].unit))


def _judge_reading(exam: Exam, where: str, reading: Reading) -> None:
    units = _units(exam, reading.measurand)
    name = printable(reading.measurand)
    if units and reading.unit not in units:
        told = f"{where} give {name} in '{printable(reading.unit)}', not {' or '.join(units)}."
        raise UnitError(Defect.CONFIGURATION, told)
    if not _is_number(reading.value):
        raise UnitError(Defect.OCPP, f"{where} give '{printable(reading.value)}' as {name}, which is no number.")


def _units(exam: Exam, measurand: str) -> tuple[str, ...]:
    """Return the units that a measurand may have; nothing where OCPP leaves it open."""
    if measurand in exam.plan.units:
        return (exam.plan.units[measurand],)
    return next((units for start, units in USUAL_UNITS.items() if measurand.startswith(start)), ())


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def security_events(exam: Exam) -> None:
    """Wait for the security events that every start brings, and judge their schema (F-H1)."""
    visit, since = exam.visit, exam.visit.epoch
    for kind in exam.plan.security_events:

        def look(kind: str = kind) -> Received | None:
            sent = visit.messages("SecurityEventNotification", since)
            return next((message for message in sent if message.payload.get("type") == kind), None)

        found = visit.until(look, exam.deadline)
        if found is None:
            raise exam.missing(f"SecurityEventNotification({kind}) after the restart", exam.deadline)
        _refuse_broken(exam, found)
        exam.measure(f"security_event_{kind}", value=True)


def _refuse_broken(exam: Exam, message: Received) -> None:
    broken = violations(exam.visit.expected.version, message.action, message.payload, answer=False)
    if broken:
        raise UnitError(Defect.OCPP, f"What the unit reports breaks its schema: {broken[0]}.")

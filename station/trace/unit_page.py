"""What is known of a unit, as its page shows it: from the records, each time anew."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from station.model import Outcome
from station.records import (
    CertificateEventRow,
    ComponentRow,
    DispositionRow,
    EventRow,
    HoldRow,
    IdentifierRow,
    LabelRow,
    LabelState,
    LifecycleRow,
    MeterRow,
    PassportRow,
    Records,
    RegistrationRow,
    ResultRow,
    RunDetail,
    StepRow,
    Verdict,
)
from station.scans import REASONS
from station.steps import STEPS
from station.trace.unit import UnitFile, unit_file
from station.web.units import Fact, RunCard, StepLine, UnitCard


class Dossiers:
    """The units of one station's records."""

    def __init__(self, records: Records) -> None:
        """Look into the records."""
        self._records = records

    def unit(self, serial: str) -> UnitCard | None:
        """Return what is known of a unit, or None where there is none."""
        file = unit_file(self._records, serial)
        if file is None:
            return None
        unit = file.unit
        return UnitCard(
            serial=unit.serial,
            state=unit.state.value,
            order=unit.work_order,
            hardware_uid=unit.hardware_uid,
            since=unit.reserved_at,
            runs=tuple(_run(detail) for detail in reversed(file.runs)),
            facts=tuple((title, facts) for title, facts in self._facts(file) if facts),
            passport=bool(file.passports),
        )

    def reasons(self) -> Mapping[str, str]:
        """Return the reasons that can be chosen, by their codes."""
        return REASONS

    def _facts(self, file: UnitFile) -> Iterator[tuple[str, tuple[Fact, ...]]]:
        yield "On hold", tuple(map(_hold, file.holds))
        yield "Since its release", tuple(map(_event_of_life, reversed(file.lifecycle)))
        yield "Decisions", tuple(map(_decision, file.dispositions))
        yield "Components", tuple(self._component(row) for row in file.components)
        yield "Meters", tuple(map(_meter, file.meters))
        yield "Identifiers", tuple(map(_identifier, file.identifiers))
        yield "Test results", tuple(_result(row) for row in self._records.latest_results(file.unit.serial))
        yield "Certificates", tuple(_certificate(row) for detail in file.runs for row in detail.certificates)
        yield "Passports", tuple(_passport(row, file.passports[-1]) for row in file.passports)
        yield "Labels", tuple(map(_label, file.labels))
        yield "Registrations", tuple(map(_registration, file.registrations))
        yield "Batches", tuple(Fact(row.work_order, row.name, f"{row.made_at:%Y-%m-%d}") for row in file.batches)
        yield "Events", tuple(map(_event, reversed(file.events)))

    def _component(self, row: ComponentRow) -> Fact:
        """Tell of a part where it sits, or where it went: genealogy in both directions."""
        gone = row.detached_at is not None
        rows = self._records.units_with(row.serial) if gone and row.serial else ()
        now = next((one.unit for one in rows if one.kind == row.kind and one.detached_at is None), "")
        if now and now != row.unit:
            return Fact(row.kind, row.number, f"{row.position} → {now}", ended=True, link=f"/units/{now}")
        return Fact(row.kind, row.number, row.position, ended=gone, link=searched(row.number))


def searched(number: str) -> str:
    """Return the page of everything that bears a number."""
    return f"/search?{urlencode({'q': number})}"


def _run(detail: RunDetail) -> RunCard:
    run = detail.run
    return RunCard(
        name=str(run.ref),
        slot=run.slot,
        operator=run.operator,
        started=run.started_at,
        ended=run.closed_at,
        outcome=run.outcome.value if run.outcome else "",
        reason=run.reason,
        recipe=f"{run.recipe} r{run.recipe_revision}",
        firmware=run.firmware,
        steps=tuple(_step(step, live=run.outcome is None) for step in detail.steps),
    )


def _step(step: StepRow, *, live: bool) -> StepLine:
    unended = "running" if live else Outcome.ABORTED.value
    return StepLine(
        name=step.name,
        title=STEPS[step.name].title if step.name in STEPS else step.name,
        state=step.outcome.value if step.outcome else unended,
        attempt=step.attempt,
        started=step.started_at,
        seconds=step.seconds,
        reason=step.reason,
        hint=step.hint,
        measurements=step.measurements,
    )


def _hold(row: HoldRow) -> Fact:
    lifted = row.lifted_at is not None
    why = f"{row.reason} ({row.who})" + (f"; {row.lift_reason} ({row.lifted_by})" if lifted else "")
    return Fact(row.scope.value.capitalize(), row.subject, why, ended=lifted)


def _decision(row: DispositionRow) -> Fact:
    return Fact(row.kind.value, f"{row.at:%Y-%m-%d %H:%M}", f"{row.reason} ({row.who})")


def _event_of_life(row: LifecycleRow) -> Fact:
    told = (row.place, row.party, row.reference, row.reason, f"({row.who})")
    return Fact(row.kind.value, f"{row.occurred_at:%Y-%m-%d %H:%M}", " · ".join(part for part in told if part))


def _meter(row: MeterRow) -> Fact:
    return Fact(row.type, row.serial, row.mid, link=searched(row.serial))


def _identifier(row: IdentifierRow) -> Fact:
    return Fact(row.kind.value, row.written, row.source, ended=row.until is not None)


def _certificate(row: CertificateEventRow) -> Fact:
    return Fact(f"{row.environment} {row.kind}", row.certificate_serial, f"{row.at:%Y-%m-%d %H:%M}")


def _passport(row: PassportRow, latest: PassportRow) -> Fact:
    now = row.revision == latest.revision
    link = f"/api/passports/{row.unit}.json" if now else ""
    return Fact(f"{row.revision}", f"{row.sha256[:16]}…", f"{row.at:%Y-%m-%d %H:%M}", ended=not now, link=link)


def _registration(row: RegistrationRow) -> Fact:
    return Fact(row.cpms, row.state.value, f"{row.at:%Y-%m-%d %H:%M}")


def _event(row: EventRow) -> Fact:
    body = json.loads(row.body)
    why = str(body.get("reason", "")) if isinstance(body, dict) else ""
    told = " ".join(part for part in (why, f"({row.who})" if row.who else "") if part)
    return Fact(row.kind, f"{row.at:%Y-%m-%d %H:%M}", told)


def _result(row: ResultRow) -> Fact:
    shown = row.text if row.value is None else f"{row.value:g} {row.unit}"
    return Fact(row.test, shown, "" if row.verdict is Verdict.PASS else row.problem or row.verdict.value)


def _label(row: LabelRow) -> Fact:
    return Fact(row.state.value, row.code, row.reason, ended=row.state is LabelState.VOID)

"""Labels as a line leaves them, for tests that are about something else."""

from station.records import LabelJob, Records


def stick(records: Records, unit: str, code: str, number: int = 1) -> None:
    """Have a unit's rating plate printed and scanned back; `number` is the printer's odometer before."""
    label = records.label_rendered(LabelJob(unit, "unit", code, "0" * 64))
    records.label_printed(records.label_sent(label, number, "Z1"), number + 1)
    records.label_scanned(label, code)

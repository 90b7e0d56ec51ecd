"""Which exports a station makes by itself: the section `[exports]` of `station.toml`."""

import re
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")
EXPORTED = {
    "every": ("day", "week", "month"),
    "format": ("csv", "jsonl", "parquet", "xlsx", "epcis", "hbom", "attestation"),
    "table": ("units", "measurements"),
    "outcome": ("", "PASS", "FAIL", "ERROR", "ABORTED"),
}
"""What a schedule may say."""


@dataclass(frozen=True)
class ScheduledExport:
    """An export that is made by itself, each time a span of time is over."""

    name: str
    """How its files begin; unique."""
    every: str = "month"
    """`day`, `week` or `month`, in UTC."""
    format: str = "csv"
    table: str = "units"
    order: str = ""
    product: str = ""
    outcome: str = ""
    """How runs ended: `PASS`, `FAIL`, `ERROR` or `ABORTED`; empty for all, as the two above."""
    directory: Path = Path("exports")
    """Where the files go; a folder other than this is there already."""

    def __post_init__(self) -> None:
        """Refuse what can't be made."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name '{self.name}' is not a name of 1 to 16 letters, digits, - or _")
        for name, known in EXPORTED.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} '{getattr(self, name)[:40]}' is none of: {', '.join(filter(None, known))}")


@dataclass(frozen=True)
class ExportsSection:
    """Exports that the station makes by itself."""

    schedule: tuple[ScheduledExport, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two schedules whose files would be called alike."""
        if len({one.name for one in self.schedule}) < len(self.schedule):
            raise ValueError("schedule: two schedules have the same name")

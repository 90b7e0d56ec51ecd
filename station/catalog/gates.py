"""What a recipe demands besides its steps: who must have looked, what must have been checked, and how often one tries.

A gate is asked in the transaction that opens a run, so a unit that may not begin is never touched. All gates are off
unless a recipe names them.
"""

from dataclasses import dataclass

from station.catalog.products import NAME

LONGEST_NAME = 40
MOST_HOURS = 7 * 24
MOST_COOL_DOWN = 24 * 3600
MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class Gates:
    """The `[gates]` of a recipe."""

    first_article: bool = False
    """The first unit of an order is released and signed off by a second person before the second one begins."""
    golden_hours: int = 0
    """Hours within which every golden unit of the product was checked at the station, 0 to 168; 0 asks for none."""
    clearance: bool = False
    """A change of product at the station is signed off by two people."""
    training: tuple[str, ...] = ()
    """What the operator must be trained in, and what must be valid today, such as `esd`."""
    cool_down_seconds: int = 0
    """Seconds between a run that failed and the next one of the same unit, 0 to 86400."""
    step_attempts: int = 0
    """How often one step may fail on a unit before the unit goes to rework, 0 to 20; 0 sets no limit (F-L5)."""
    previous_stage: str = ""
    """Name of the test program whose newest result of the unit must have passed (F-B2)."""

    def __post_init__(self) -> None:
        """Keep numbers and names within what a line can mean."""
        most = {"golden_hours": MOST_HOURS, "cool_down_seconds": MOST_COOL_DOWN, "step_attempts": MOST_ATTEMPTS}
        problems = [
            f"{name}: must be 0 to {limit}, not {getattr(self, name)}"
            for name, limit in most.items()
            if not 0 <= getattr(self, name) <= limit
        ]
        problems += [
            f"training: '{name[:LONGEST_NAME]}' is not 1 to 40 lower-case letters, digits and hyphens"
            for name in self.training
            if not NAME.fullmatch(name)
        ]
        if len(self.previous_stage) > LONGEST_NAME or not self.previous_stage.isprintable():
            problems.append(f"previous_stage: must be at most {LONGEST_NAME} printable characters")
        if problems:
            raise ValueError(*problems)

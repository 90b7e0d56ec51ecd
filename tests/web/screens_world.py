"""A factory in memory for the pages of orders, slots and units: the interfaces of production, with known content."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from station.errors import Interlocked
from station.model import Measurement
from station.person import Person
from station.web.lead import FailureBar, GoldenLine, HoldLine, Order, OrderCard, Shift, StoryLine
from station.web.orders import UploadedOrder, UploadedRow, UploadView
from station.web.units import Fact, RunCard, StepLine, UnitCard

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
FIRST = OrderCard(
    "WO-1001", "ac22", "Example <Operator>", "ac22-gated-eu-r1", "open", 20, 13, 3, 1, 4, 1, 0.923, 11.4,
    NOW + timedelta(minutes=34), "2026-11-25", 4, "AC22-000001", True, 3,
)  # fmt: skip
OTHERS = (
    OrderCard("WO-1002", "ac22", "Second customer", "ac22-eu-r1", "paused", 100, 0, 0, 0, 0, 0),
    OrderCard("WO-0990", "dc60", "Example Operator", "dc60-eu-r2", "closed", 40, 40, 0, 0, 2, 0, 0.975),
)
HOLDS = (
    HoldLine("s1/7", "lot", "METER-7741", "Meters of this lot drift above 40 degrees.", "qa-1", NOW),
    HoldLine("s1/8", "unit", "AC22-000007", "The MAC is of AC22-000003 too.", "station", NOW, True),
)
FAILURES = (
    FailureBar("flash", 4, 0.5, 0.5),
    FailureBar("ship-state", 2, 0.25, 0.75),
    FailureBar("printer", 1, 0.125, 0.875, False),
    FailureBar("clock", 1, 0.125, 1.0),
)
STORY = (
    StoryLine(NOW, "lead-1", "Resumed the order.", why="The meters were exchanged."),
    StoryLine(NOW - timedelta(minutes=3), "operator-1", "Released in slot 3 after 61 s.", "AC22-000004", "", "pass"),
    StoryLine(NOW - timedelta(minutes=9), "qa-1", "Scrapped.", "AC22-000002", "The unit is damaged.", "fail"),
)
STEPS = (
    StepLine("identify", "Identify", "PASS", 1, NOW, 1.2, measurements=(Measurement("uid", "0a1b2c3d"),)),
    StepLine("flash", "Flash firmware", "ERROR", 1, NOW, 12.0, "The charger does not answer any more.", "Wait."),
    StepLine(
        "flash", "Flash firmware", "FAIL", 2, NOW, 30.5, "The device's clock is 9 s off; 2 s are allowed.",
        "Put the unit aside for rework.", (Measurement("clock_offset", 9.0, "s", -2.0, 2.0, passed=False),),
    ),
)  # fmt: skip
RUN = RunCard("s1/12", "A", "operator-1", NOW, NOW, "FAIL", STEPS[-1].reason, "ac22-gated-eu r3", "1.4.0", STEPS)
UNIT = UnitCard(
    "AC22-000004", "reserved", "WO-1001", "0a1b2c3d4e5f6071", NOW, (RUN, replace(RUN, name="s1/3", outcome="ABORTED")),
    (("Components", (Fact("meter", "MTR-1182", "A"), Fact("meter", "MTR-1101", "A", ended=True))),
     ("Labels", (Fact("scanned", "SN:AC22-000004"),))), True,
)  # fmt: skip


class SmallLead:
    """Orders that stay as they are, and remember what was asked of them."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.asked: list[tuple[str, Order]] = []

    def orders(self) -> tuple[OrderCard, ...]:
        """Return three orders."""
        return (FIRST, *OTHERS)

    def holds(self) -> tuple[HoldLine, ...]:
        """Return a hold by somebody and one by the station."""
        return HOLDS

    def failures(self) -> tuple[FailureBar, ...]:
        """Return eight failures."""
        return FAILURES

    def shift(self) -> Shift:
        """Return a golden unit that is as it must be, and one that is not."""
        golden = (GoldenLine("0a1b2c3d", "PASS", NOW, True), GoldenLine("4e5f6071", "wrong-hardware", NOW, False))
        why = "The line built dc60 last and is not cleared for ac22."
        handover = "lead-1 signed the handover at 2026-11-21 06:02 UTC; the second signature is missing."
        return Shift(golden, f"{why} Signed by operator-1; the second signature is missing.", handover)

    def story(self, order: str) -> tuple[StoryLine, ...]:
        """Return three lines."""
        return STORY

    def reasons(self) -> dict[str, str]:
        """Return what units can be."""
        return SmallUnits().reasons()

    def return_points(self) -> tuple[tuple[str, str], ...]:
        """Return three steps."""
        return (("identify", "Identify"), ("flash", "Flash firmware"), ("label", "Print label"))

    def act(self, person: Person, order: Order) -> str:
        """Remember an act, and refuse the clearance."""
        if order.act == "clearance":
            raise Interlocked("lead-1 signed this clearance before.", hint="Let a second person sign.")
        self.asked.append((person.id, order))
        return f"Order {order.subject} is paused."


class SmallUnits:
    """One unit."""

    def unit(self, serial: str) -> UnitCard | None:
        """Return the unit under its serial."""
        return UNIT if serial == UNIT.serial else None

    def reasons(self) -> dict[str, str]:
        """Return two reasons."""
        return {"RC-REPAIR": "A part was repaired or replaced.", "RC-DAMAGE": "The unit is damaged."}


class SmallUploads:
    """Takes files that begin with an order's number, and refuses all others row by row."""

    def __init__(self) -> None:
        """Begin with nothing imported."""
        self.imported: list[tuple[str, str]] = []

    def preview(self, name: str, content: bytes) -> UploadView:
        """Return what a file would do."""
        digest = sha256(content).hexdigest()
        if content.startswith(b"WO-"):
            order = UploadedOrder("WO-1003", "ac22", 40, "Third <customer>", "AC22-000101 – AC22-000140")
            return UploadView(name, digest, "One order of 40 units.", 1, 0, 0, (order,), ())
        row = UploadedRow(2, "WO-1001", "There is no product 'ac2'.")
        return UploadView(name, digest, "Nothing can be imported.", 0, 0, 1, (), (row,))

    def commit(self, sha256: str, person: Person) -> str:
        """Remember what was imported."""
        self.imported.append((sha256, person.id))
        return "One order was imported."

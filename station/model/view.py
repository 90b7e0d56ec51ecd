"""The line as one sees it: slots and steps, drawn from values that are replaced as a whole."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SlotState(StrEnum):
    """What a slot is doing, as the operator sees it."""

    EMPTY = "empty"
    CONNECTING = "connecting"
    UNKNOWN_DEVICE = "unknown device"
    TWO_DEVICES = "two devices"
    WAITING_FOR_PERSON = "sign in"
    BLOCKED = "blocked"
    """Routing does not let the unit begin; the sentence says why."""
    WAITING_FOR_SERIAL = "scan serial"
    WAITING_FOR_SCAN = "scan component"
    RUNNING = "running"
    WAITING_FOR_NUMBER = "scan number"
    """Of a paper that came with the unit."""
    WAITING_FOR_LABEL = "scan label"
    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ALREADY_RELEASED = "already released"
    CAME_BACK = "came back"
    """It was in the field, and somebody decides what is done with it."""


@dataclass(frozen=True)
class StepView:
    """One step of a slot's run as the page shows it."""

    name: str
    title: str
    state: str
    """`waiting`, `running`, or an outcome."""
    seconds: float = 0.0
    attempt: int = 1
    doing: str = ""
    """What it does now, where it tells: such as the check of the acceptance that is performed."""


@dataclass(frozen=True)
class SlotView:
    """One slot at one moment, complete: a page can be drawn from it alone."""

    name: str
    port: str
    state: SlotState
    serial: str = ""
    hardware_uid: str = ""
    sentence: str = ""
    """What happened, in one plain sentence."""
    hint: str = ""
    """What the operator does now, in one imperative sentence."""
    steps: tuple[StepView, ...] = ()
    progress: float = 0.0
    """Share of the run that is done, 0 to 1."""
    started: datetime | None = None
    seconds: float = 0.0
    passport: str = ""
    label_copy: int = 0
    acknowledged: bool = False
    actions: tuple[str, ...] = ()
    """What is offered for a unit that was released before, such as `verify`, `reprint` and `rework`."""


@dataclass(frozen=True)
class ScanReply:
    """What became of a scan, echoed within 100 ms."""

    accepted: bool
    sentence: str
    slot: str = ""


@dataclass(frozen=True)
class LineView:
    """The whole line at one moment."""

    station: str
    version: int
    """Rises with every change; a listener waits for a higher one."""
    slots: tuple[SlotView, ...]
    order: str = ""
    product: str = ""
    person: str = ""
    """Name of who is present at the station; empty while nobody is."""
    released: int = 0
    failed: int = 0
    waiting_messages: int = 0
    """Depth of the outbox."""
    alarms: tuple[str, ...] = ()
    """Services that are away, each as one sentence."""
    links: tuple[tuple[str, str], ...] = ()
    """Pages beside this one: (text, address)."""
    echo: ScanReply | None = None
    """What became of the last scan of a scanner that the station reads itself."""
    echoes: int = 0
    """How many of its scans were answered: tells an answer from the same one before."""

"""What of the outbox hangs above the line: few sentences, each with its next step, whatever waits."""

from station.board import Board
from station.errors import StationError
from station.outbox.lanes import Lane
from station.records import OutboxRow, RowRef

MOST_SHOWN = 3
"""Messages that are named one by one."""
BUG_HINT = "Call engineering."
AWAY = "Outbox: "
"""How the alarm of records that are away begins."""


class Alarms:
    """Keeps the board's alarms equal to what can't be delivered now."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._failing: dict[RowRef, tuple[Lane, str]] = {}
        self._shown: set[str] = set()

    def failed(self, row: OutboxRow, lane: Lane, sentence: str) -> None:
        """Take note of a message that is tried again; of a place that is away only the latest is named."""
        self.settled(row)
        if lane.away:
            self._failing = {ref: found for ref, found in self._failing.items() if found[0] is not lane}
        self._failing[row.ref] = (lane, f"{row.title}: {sentence}")

    def settled(self, row: OutboxRow) -> None:
        """Forget a message that was delivered, or stands aside."""
        self._failing.pop(row.ref, None)

    def show(self, dead: int, first: OutboxRow | None) -> None:
        """Show what fails, and how many messages wait for a person, the first of them by name."""
        sentences = [sentence for _, sentence in self._failing.values()]
        wanted = dict.fromkeys(sentences[:MOST_SHOWN])
        if len(sentences) > MOST_SHOWN:
            wanted[f"{len(sentences) - MOST_SHOWN} more message(s) fail. Look at the page 'Messages'."] = None
        if dead and first is not None:
            next_step = f"{dead} message(s) wait for a decision at the page 'Messages'."
            wanted[f"{first.title}: {first.error} {next_step}"] = None
        for gone in self._shown - wanted.keys():
            self._board.clear_alarms(gone)
        for sentence in wanted:
            self._board.raise_alarm(sentence)
        self._shown = set(wanted)


def sentence_of(error: Exception) -> str:
    """Return why a message could not be delivered, and what to do next."""
    if isinstance(error, StationError):
        return f"{error.message} {error.hint}"
    return f"The station failed ({type(error).__name__}). {BUG_HINT}"

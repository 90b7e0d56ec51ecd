"""A slot that fails one unit after the other: then it is the slot that is looked at, and not the next unit."""

from station.board import Board
from station.records import Records
from station.records.figures import ALARMING


def tell_streak(records: Records, board: Board, slot: str) -> None:
    """Show an alarm once a slot failed three times in a row, and take it back when a unit passed in it.

    Raises:
        ServiceError: The records are away.
    """
    runs = next((streak.runs for streak in records.streaks() if streak.slot == slot), 0)
    told = f"Slot {slot} failed three times in a row. Look at its cable and its contacts."
    if runs >= ALARMING:
        board.raise_alarm(told)
    else:
        board.clear_alarms(told)

"""A passport's PDF waits for its place in the log, and nothing waits for the PDF (F-I5, F-I8)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest

from station.board import Board
from station.model import LineView
from station.outbox import Courier, Effect, Habits, Patience, Route
from station.outbox.carriers import LOOKS_FOR_PROOF
from station.outbox.patience import NotYet
from station.run import RENDER_PASSPORT
from tests.audit.conftest import STATION
from tests.documents.passport_office import Office


def test_passport_is_drawn_once_the_log_was_signed(office: Office) -> None:
    office.log.publish()
    row = office.release()
    with pytest.raises(NotYet, match="waits for its place in the log"):
        office.printer.render(row)
    office.log.publish()
    office.printer.render(row)
    assert office.told_of_the_log(row.unit)


def test_passport_does_not_wait_for_ever(office: Office) -> None:
    """A log that is not signed delays no paper for more than a minute."""
    office.log.publish()
    row = office.release()
    office.printer.render(replace(row, attempts=LOOKS_FOR_PROOF))
    assert not office.told_of_the_log(row.unit)


def test_passport_does_not_wait_where_nobody_signs_the_log(office: Office) -> None:
    row = office.release()
    office.printer.render(row)
    assert not office.told_of_the_log(row.unit)


def test_nothing_waits_for_a_passport_that_waits(office: Office) -> None:
    """The CPMS is told meanwhile, and waiting is no failure that anybody is told of."""
    office.log.publish()
    row = office.release()
    with delivering(office) as board:
        eventually(lambda: office.log.records.waiting_of(row.unit) == (RENDER_PASSPORT,))
        eventually(lambda: any(one.attempts > 2 for one in office.log.records.waiting_messages_of()))
        assert board.view().alarms == ()
        office.log.publish()
        eventually(lambda: office.log.records.depth() == 0)
    assert office.told_of_the_log(row.unit)


@contextmanager
def delivering(office: Office) -> Iterator[Board]:
    """Have messages delivered while the block runs."""
    board = Board(LineView(STATION, 1, ()))
    ways = {
        RENDER_PASSPORT: Route("passports", (RENDER_PASSPORT,), 1, office.printer.render),
        "cpms": Route("cpms", ("cpms",), 1, lambda _: Effect(b"told")),
    }
    worker = Courier(office.log.records, board, lambda row: ways[row.kind], habits=Habits(Patience(), Random(7)))
    worker.start()
    try:
        yield board
    finally:
        worker.stop(20.0)


def eventually(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)

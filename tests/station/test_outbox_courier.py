"""The outbox beside a real CPMS: away, back, poisoned, killed; in order, never blocked, none lost or doubled (F-G2)."""

import json
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import cast

import pytest

from fixtures.bench.outbox import TOKEN, Staging, drained_through_kills
from fixtures.bench.outbox_books import ORDER, STATION, complaints, make_books, unit_of
from station.board import Board
from station.clock import utc_now
from station.cpms import Cpms, open_cpms
from station.cpms.contract import Limits, Rejected
from station.errors import ConfigError, Defect, Interlocked, Service, ServiceError, UnitError
from station.model import LineView, UnitRecord
from station.outbox import Courier, CpmsCarrier, Effect, Habits, Patience, Route
from station.outbox.lanes import Attempt, Lane
from station.outbox.patience import blames_service
from station.records import (
    ENDED,
    REVOKED,
    SCRAP_SAID,
    WITHDRAWN,
    Closed,
    Decision,
    DecisionKind,
    Delivered,
    Disposition,
    DispositionKind,
    OutboxRow,
    Postponed,
    Records,
    UnitState,
    Withdrawal,
    open_records,
)
from station.run import REGISTER

pytestmark = pytest.mark.timeout(300)
OF_CPMS, OF_PKI = (REGISTER, REVOKED, WITHDRAWN), (ENDED, SCRAP_SAID)
KINDS = (*OF_CPMS, *OF_PKI)
UNITS = 12
KILLS = int(os.environ.get("OUTBOX_KILLS", "4"))
"""Kills of either side here; `OUTBOX_KILLS=20` by hand (the README's *Measured*)."""


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make records of a few released units, for copies of them."""
    path = tmp_path_factory.mktemp("books") / "station.db"
    make_books(f"sqlite:///{path}", UNITS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def records(books: Path, tmp_path: Path) -> Iterator[Records]:
    """Yield records of twelve released units that wait for their registration."""
    (tmp_path / "station.db").write_bytes(books.read_bytes())
    with open_records(f"sqlite:///{tmp_path / 'station.db'}", STATION) as opened:
        yield opened


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    """Yield a CPMS of the test's own."""
    started = Staging(tmp_path / "cpms")
    yield started
    started.kill()


@pytest.fixture
def cpms(staging: Staging) -> Iterator[Cpms]:
    """Yield the adapter for it."""
    adapter = open_cpms(f"staging+{staging.url}", lambda: TOKEN)
    yield adapter
    adapter.close()


@dataclass
class Desk:
    """A courier at work, with what it shows."""

    records: Records
    board: Board

    def until(self, good: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < end, (self.board.view().alarms, self.records.queue())
            time.sleep(0.05)

    def dead(self) -> list[str]:
        """Return the units whose messages stand aside."""
        return [row.unit for row in self.records.dead_letters()]


@contextmanager
def courier(records: Records, carriers: Callable[[OutboxRow], Route], **patience: object) -> Iterator[Desk]:
    """Have messages delivered while the block runs, with a seed."""
    board = Board(LineView(STATION, 1, ()))
    given = replace(Patience(), **patience)  # type: ignore[arg-type]
    worker = Courier(records, board, carriers, habits=Habits(given, Random(6)))
    worker.start()
    try:
        yield Desk(records, board)
    finally:
        worker.stop(20.0)


def to(cpms: Cpms, records: Records) -> CpmsCarrier:
    return CpmsCarrier(records, lambda _: cpms)


def serial(number: int) -> str:
    return unit_of(number).serial


def waiting(records: Records) -> dict[str, OutboxRow]:
    return {row.unit: row for row in (*records.dead_letters(), *records.waiting_messages_of())}


def test_all_are_registered_once_and_packable(records: Records, cpms: Cpms, staging: Staging, tmp_path: Path) -> None:
    """F-G2, F-G3: several at a time, each read back; both sides' own files agree."""
    with courier(records, to(cpms, records)) as desk:
        desk.until(lambda: records.depth() == 0)
        desk.until(lambda: desk.board.view().waiting_messages == 0)
        assert desk.board.view().alarms == ()
    assert complaints(tmp_path / "station.db", staging.database, UNITS) == []


def test_cpms_that_is_away_costs_nothing_but_depth(records: Records, cpms: Cpms, staging: Staging) -> None:
    """One message at a time asks whether it is back; the others are not tried, and all arrive when it is."""
    staging.kill()
    with courier(records, to(cpms, records), probe=0.5) as desk:
        desk.until(lambda: sum(row.attempts for row in waiting(records).values()) >= 10)
        tried = {unit for unit, row in waiting(records).items() if row.attempts}
        assert len(records.dead_letters()) == 0
        desk.until(lambda: ["CPMS" in alarm for alarm in desk.board.view().alarms] == [True])
        staging.start()
        desk.until(lambda: records.depth() == 0)
        desk.until(lambda: desk.board.view().alarms == ())
    assert len(tried) > 1, "the probes take turns, as one may be at fault itself"


def test_no_more_than_one_probe_while_it_is_away(records: Records) -> None:
    """Ten thousand tries would be ten thousand alarms, log lines and refused logins."""
    tries: list[float] = []
    known = threading.Event()

    def away(row: OutboxRow) -> Effect:
        tries.append(time.monotonic())
        if len(tries) > 4:
            assert known.wait(60), "what follows the first four is under way until it is known to be away"
        raise ServiceError(Service.CPMS, "The CPMS is away.", hint="Wait.")

    with courier(records, lambda _: Route("CPMS", (REGISTER,), 4, away), probe=60.0) as desk:
        desk.until(lambda: desk.board.view().alarms)
        known.set()
        desk.until(lambda: len(tries) >= 4 * 2 + 1)
        desk.until(lambda: time.monotonic() - tries[-1] > 2.0)
    assert len(tries) <= 4 * 2 + 4, "what was under way, and a probe after 1, 2, 4 s"
    assert max(row.attempts for row in waiting(records).values()) <= 2


def test_conflict_stands_aside_and_a_person_sends_it_on(records: Records, cpms: Cpms, staging: Staging) -> None:
    """P11: another charger's record is never overwritten; once it is mended, the line lead sends the message on."""
    cpms.register(replace(unit_of(3), firmware="9.9.9"), 1)
    with courier(records, to(cpms, records)) as desk:
        desk.until(lambda: records.depth() == 1 and desk.dead() == [serial(3)])
        desk.until(
            lambda: any("firmware" in alarm and "page 'Messages'" in alarm for alarm in desk.board.view().alarms)
        )
        assert records.unit(serial(3)).state is UnitState.RELEASED
        mended(staging, serial(3))
        (row,) = records.dead_letters()
        records.decide(Decision(DecisionKind.RETRY, row.ref, "lead-1", "the CPMS team corrected its record"))
        desk.until(lambda: records.depth() == 0)
        desk.until(lambda: desk.board.view().alarms == ())
    assert records.unit(serial(3)).state is UnitState.PACKABLE
    (decision,) = records.decisions(row.ref)
    assert (decision.who, decision.kind, decision.attempts, decision.unit) == ("lead-1", "retry", 1, serial(3))
    assert "firmware" in decision.error
    assert records.events(serial(3), "message-retried")[0].who == "lead-1"


def mended(staging: Staging, unit: str) -> None:
    """Have the CPMS team take a wrong record out of its database."""
    with closing(sqlite3.connect(staging.database, timeout=10)) as connection, connection:
        connection.execute("DELETE FROM registration WHERE serial = ?", (unit,))


class Place:
    """A place that messages go to, which takes or refuses them as it is told."""

    def __init__(self, **errors: Exception) -> None:
        self.errors, self.taken = errors, []

    def __call__(self, row: OutboxRow) -> Route:
        name = "PKI" if row.kind in OF_PKI else "CPMS"
        return Route(name, OF_PKI if row.kind in OF_PKI else OF_CPMS, 2, self.deliver)

    def deliver(self, row: OutboxRow) -> Effect:
        if row.kind.replace("-", "_") in self.errors:
            raise self.errors[row.kind.replace("-", "_")]
        self.taken.append((row.kind, row.unit))
        return Effect(b"taken")


def scrapped(records: Records, number: int) -> None:
    """Scrap a unit whose registration waits: its keys end, and its registration is to be withdrawn."""
    records.dispose(Disposition(DispositionKind.SCRAP, serial(number), "RC-DAMAGE", "water in the housing", "qa-1"))


def test_what_follows_waits_for_what_is_tried_again(records: Records) -> None:
    """The order of a unit's messages is kept; what ends its keys waits for nothing, and other units neither."""
    scrapped(records, 2)
    place = Place(cpms_register=ServiceError(Service.CPMS, "The CPMS is busy.", hint="Wait."))
    with courier(records, place, longest=0.2, probe=0.2) as desk:
        desk.until(lambda: place.taken and records.waiting_messages_of(serial(2))[0].attempts >= 1)
    assert sorted(place.taken) == [(kind, serial(2)) for kind in OF_PKI]
    register, withdraw = records.waiting_messages_of(serial(2))
    assert (register.kind, withdraw.kind, withdraw.attempts) == (REGISTER, WITHDRAWN, 0)


def test_two_bad_messages_do_not_make_a_cpms_look_away_for_ever(records: Records) -> None:
    """While it is away each message has its turn to ask, so one that is taken is found."""
    back = threading.Event()

    def deliver(row: OutboxRow) -> Effect:
        if row.unit in (serial(1), serial(2)) or not back.is_set():
            raise ServiceError(Service.CPMS, "The CPMS is away: status 500.", hint="Wait.")
        return Effect(b"taken")

    with courier(records, lambda _: Route("CPMS", KINDS, 1, deliver), probe=2.0) as desk:
        desk.until(lambda: sum(row.attempts for row in waiting(records).values()) >= 4)
        back.set()
        desk.until(lambda: records.depth() == 2, 30.0)
    assert waiting(records).keys() == {serial(1), serial(2)}


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (Rejected("The CPMS takes no such model.", hint="Ask the CPMS team."), 1),
        (UnitError(Defect.DUPLICATE_IDENTITY, "The CPMS knows it otherwise."), 1),
        (ValueError("a bug of ours"), 2),
    ],
)
def test_what_can_t_succeed_stands_aside_and_blocks_nothing(records: Records, error: Exception, tries: int) -> None:
    """A poison record: the unit's next message goes on, and a person decides of it."""
    scrapped(records, 2)
    place = Place(cpms_register=error)
    with courier(records, place, bugs=2, longest=0.1) as desk:
        desk.until(lambda: records.queue().dead == UNITS and (WITHDRAWN, serial(2)) in place.taken)
        assert {row.attempts for row in records.dead_letters()} == {tries}
        desk.until(lambda: any(f"{UNITS} message(s) wait for a decision" in one for one in desk.board.view().alarms))
        assert len(desk.board.view().alarms) == 1


def test_tries_alone_make_a_dead_letter_only_while_others_get_through(records: Records) -> None:
    """Often and long, both; what was tried while its place was away, or before somebody sent it on, does not count."""
    row, patience = records.due(utc_now(), 1)[0], Patience()
    busy, tried, late = ServiceError(Service.CPMS, "busy"), replace(row, attempts=99), utc_now() + timedelta(days=1)
    assert patience.is_hopeless(tried, busy, late, 20)
    assert not patience.is_hopeless(tried, busy, late, 19)
    assert not patience.is_hopeless(tried, busy, utc_now(), 20)
    assert not patience.is_hopeless(replace(tried, attempts=18), busy, late, 20)
    assert not patience.is_hopeless(replace(tried, retried_at=late), busy, late, 20)


class TwoPlaces:
    """Two CPMSs of one order: odd units go to A, even ones to B."""

    def __init__(self, *refused: str) -> None:
        self.a_is_there, self.refused = threading.Event(), refused

    def __call__(self, row: OutboxRow) -> Route:
        return Route("A" if self._of_a(row) else "B", (REGISTER,), 1, self.deliver, of_order=True)

    def _of_a(self, row: OutboxRow) -> bool:
        return int(row.unit[-6:]) % 2 == 1

    def deliver(self, row: OutboxRow) -> Effect:
        if row.unit in self.refused or (self._of_a(row) and not self.a_is_there.is_set()):
            raise ServiceError(Service.CPMS, "The CPMS is away: status 500.", hint="Wait.")
        return Effect(b"equal")


def test_a_cpms_that_is_away_makes_no_dead_letters_while_another_works(records: Records) -> None:
    """Probes are no tries, and what another CPMS takes says nothing of this one."""
    places = TwoPlaces()
    with courier(records, places, tries=2, age=timedelta(0), longest=0.05, probe=0.02) as desk:
        desk.until(lambda: max((row.attempts for row in waiting(records).values()), default=0) >= 2)
        desk.until(lambda: records.depth() == UNITS // 2)
        assert (records.depth(), records.queue().dead) == (UNITS // 2, 0)
        places.a_is_there.set()
        desk.until(lambda: records.depth() == 0)


def test_one_message_that_a_cpms_never_takes_stands_aside(records: Records) -> None:
    places = TwoPlaces(serial(3))
    places.a_is_there.set()
    with courier(records, places, tries=3, age=timedelta(0), longest=0.05, probe=0.02) as desk:
        desk.until(lambda: desk.dead() == [serial(3)])
    assert records.depth() == 1


@contextmanager
def lane(deliver: Callable[[OutboxRow], Effect]) -> Iterator[tuple[Lane, "queue.SimpleQueue[Attempt]"]]:
    """Yield a lane of one thread, and what comes back from it."""
    finished: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
    made = Lane(Route("CPMS", KINDS, 1, deliver), finished, Patience(), Random(6))
    yield made, finished
    made.stop()


def test_what_was_never_asked_is_not_back(records: Records) -> None:
    """A scrapped unit's registration ends without a word to the CPMS, so it says nothing of the CPMS."""
    scrapped(records, 2)
    row = next(row for row in records.due(utc_now(), 100) if row.unit == serial(2) and row.kind == REGISTER)
    effect = CpmsCarrier(records, nowhere)(row).deliver(row)
    with lane(lambda _: effect) as (cpms, _):
        for _ in range(Patience().away):
            cpms.failed(row, blamed=True)
        cpms.arrived(row, effect)
        assert cpms.away
        cpms.arrived(row, Effect(b"equal"))
        assert not cpms.away


def test_what_was_under_way_when_it_went_away_makes_no_probe_wait_longer(records: Records) -> None:
    """A CPMS that is away for a second is asked again after a second, however many messages it left behind."""
    patience = Patience()
    first, *others = records.due(utc_now(), 12)
    with lane(lambda _: Effect(b"equal")) as (cpms, _):
        pauses = [cpms.failed(row, blamed=True) for row in others]
        assert pauses[: patience.away - 1] == [0.0] * (patience.away - 1)
        assert all(0 < pause <= 1.0 for pause in pauses[patience.away - 1 :])
        # The next one is a probe.
        cpms._again = 0.0
        assert cpms.take(first)
        assert 0.5 < cpms.failed(first, blamed=True) <= 2.0


def nowhere(order: str) -> Cpms:
    raise ConfigError(f"no CPMS of {order}")


def test_a_lane_that_was_stopped_stays_so(records: Records) -> None:
    """The message in hand arrives at the CPMS; what waits behind it comes back untried."""
    first, *others = records.due(utc_now(), 3)
    begun, go = threading.Event(), threading.Event()

    def deliver(_: OutboxRow) -> Effect:
        begun.set()
        assert go.wait(20)
        return Effect(b"equal")

    with lane(deliver) as (cpms, finished):
        assert all(cpms.take(row) for row in (first, *others))
        assert begun.wait(20)
        cpms.stop()
        cpms.arrived(first, Effect(b"equal"))
        go.set()
        back = [finished.get(timeout=20) for _ in range(3)]
    assert [(one.row, one.effect is None, one.error) for one in back] == [
        (row, row is not first, None) for row in (first, *others)
    ]


class Told:
    """A CPMS that notes what it is told to withdraw."""

    name, limits = "told", Limits(1)

    def __init__(self) -> None:
        self.withdrawn: list[tuple[Withdrawal, UnitRecord | None]] = []

    def withdraw(self, notice: Withdrawal, sent: UnitRecord | None = None) -> bool:
        self.withdrawn.append((notice, sent))
        return True


def test_a_withdrawal_says_what_was_registered(records: Records) -> None:
    """What the CPMS keeps is compared with it, so nothing of others is taken out."""
    scrapped(records, 2)
    records.keep_deliveries([Delivered(row, b"done") for row in records.due(utc_now(), 100)])
    (row,) = records.due(utc_now(), 100)
    told = Told()
    carrier = CpmsCarrier(records, lambda _: cast("Cpms", told))
    assert carrier(row).deliver(row).answer == b"withdrawn"
    never = json.dumps(asdict(Withdrawal(serial(2), 7, "rework"))).encode()
    carrier(row).deliver(replace(row, body=never))
    assert [(notice.revision, sent) for notice, sent in told.withdrawn] == [(1, unit_of(2)), (7, None)]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"serial": "\xff"}', b"[" * 100_000])
def test_a_message_that_can_t_be_read_stands_aside_at_once(records: Records, body: bytes) -> None:
    """Nobody is away: the CPMS is not blamed, and the message is not tried for a day."""
    row = records.due(utc_now(), 1)[0]
    with pytest.raises(Rejected, match="can't be read") as refused:
        CpmsCarrier(records, nowhere)(row).deliver(replace(row, body=body))
    assert (refused.value.hint, blames_service(refused.value)) == ("Call engineering.", False)
    assert Patience().is_hopeless(row, refused.value, utc_now(), 1)


def test_dead_letters_of_one_unit(records: Records) -> None:
    """The limit counts what was asked for, not what comes before it."""
    for row in records.due(utc_now(), 5):
        records.keep_deliveries([], [Postponed(row, "The CPMS knows it otherwise.", utc_now(), dead=True)])
    assert [row.unit for row in records.dead_letters(1, serial(5))] == [serial(5)]
    assert records.dead_letters(5, serial(6)) == ()


def test_pauses_grow_apart_and_come_again_with_the_seed() -> None:
    """Messages that failed together do not come back together; none waits longer than a quarter of an hour."""
    patience = Patience()
    pauses = [patience.pause(attempts, Random(6)) for attempts in range(12)]
    assert pauses == [patience.pause(attempts, Random(6)) for attempts in range(12)]
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:9]))
    assert max(patience.pause(99, Random(seed)) for seed in range(50)) <= 900
    assert len({patience.pause(3, Random(seed)) for seed in range(50)}) == 50


def dead_letter(records: Records, kind: str = REGISTER) -> OutboxRow:
    """Have a message stand aside."""
    row = next(row for row in records.due(utc_now(), 100) if row.kind == kind)
    records.keep_deliveries([], [Postponed(row, "The CPMS knows it otherwise.", utc_now(), dead=True)])
    return row


def test_given_up_is_done_and_the_unit_never_packable(records: Records) -> None:
    """Who, when and why stay; giving up a registration gives no unit away."""
    row = dead_letter(records)
    assert row.ref not in {one.ref for one in records.due(utc_now(), 100)}
    records.decide(Decision(DecisionKind.DROP, row.ref, "lead-1", "the customer cancelled it"))
    assert records.unit(row.unit).state is UnitState.RELEASED
    assert (records.queue().dead, records.depth()) == (0, UNITS - 1)
    assert records.message(row.ref).answer == b"given up by lead-1: the customer cancelled it"
    with pytest.raises(Interlocked, match="delivered or given up before"):
        records.decide(Decision(DecisionKind.RETRY, row.ref, "lead-1", "it is wanted after all"))


def test_what_may_not_be_given_up(records: Records) -> None:
    """Not what the station still tries, not what ends keys, and nothing without a reason or a person."""
    scrapped(records, 2)
    ending = dead_letter(records, ENDED)
    with pytest.raises(Interlocked, match="credentials is never given up"):
        records.decide(Decision(DecisionKind.DROP, ending.ref, "lead-1", "the HSM is broken"))
    with pytest.raises(Interlocked, match="still tries"):
        records.decide(Decision(DecisionKind.DROP, records.due(utc_now(), 1)[0].ref, "lead-1", "too slow"))
    with pytest.raises(ConfigError):
        Decision(DecisionKind.DROP, ending.ref, "lead-1", "")
    with pytest.raises(ConfigError):
        Decision(DecisionKind.DROP, ending.ref, "", "a reason")
    assert records.decisions() == ()


def test_decision_survives_a_restart_and_is_tried_at_once(records: Records, tmp_path: Path) -> None:
    row = dead_letter(records)
    records.decide(Decision(DecisionKind.RETRY, row.ref, "lead-1", "the CPMS is mended"))
    with open_records(f"sqlite:///{tmp_path / 'station.db'}", STATION) as fresh:
        (again,) = [one for one in fresh.due(utc_now(), 100) if one.ref == row.ref]
    assert (again.attempts, again.dead_at, again.retried_at is not None) == (0, None, True)


def test_messages_of_another_cpms_go_on_while_one_is_away(records: Records) -> None:
    """What is closed is not even looked for: a deep queue of one place hides no message of another."""
    found = records.due(utc_now(), 100, [Closed((REGISTER,), (ORDER,))])
    assert found == ()
    assert len(records.due(utc_now(), 100, [Closed((REGISTER,), ("WO-OTHER",))])) == UNITS


def test_kills_of_either_side_lose_and_double_nothing(tmp_path: Path) -> None:
    """P08: now the station, now the CPMS is killed; in the end each unit has one record, equal to its passport."""
    assert drained_through_kills(tmp_path / "kills", 60 * KILLS, KILLS, seed=64) == []

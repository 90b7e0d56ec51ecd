"""What is done for the MES beside the line: tell it what happened, listen to it, and agree with it after it was away.

Each act may be cut off anywhere and done again: notes become messages in one transaction, a message is sent under its
own id, what comes is known by its id, and agreeing only asks and compares.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.mes.answers import STATUS, unit_question, unit_word, unit_words
from station.mes.bodies import order_status
from station.mes.contract import Body, Delivered, Delivery, Down, Envelope, Mes, Name, identified
from station.mes.interlock import unit_name
from station.mes.jobs import OrderDesk, Verdict, change_state, take
from station.mes.telling import Letter, draft, drafts
from station.records import (
    Change,
    Hold,
    HoldKind,
    HoldScope,
    MesDraft,
    MesMessageRow,
    MesReceipt,
    Records,
    RunFilter,
    RunRow,
    Word,
    WordKind,
)

BATCH, MOST_LISTED = 50, 100
HEARD_SECONDS = 30.0
"""How exactly the records know when the MES was heard."""
PRODUCTIVE, STANDBY, OFF = "1100", "2200", "6000"
"""CFX ResourceState (SEMI E10): regular work, no product, not scheduled."""
UNTOLD = "mes-untold"
"""Kind of the events of what could not be told."""
RECONCILED = "mes-reconciled"
"""Kind of the events that hold the report of each agreement."""


@dataclass(frozen=True)
class Refused:
    """A unit that began while the MES was away, and that it does not allow now that it is asked."""

    unit: str
    run: str
    sentence: str


@dataclass(frozen=True)
class Reconciliation:
    """What was different when the MES came back."""

    since: str
    until: str
    runs: int
    """Runs that began without its own word."""
    messages: int
    """Messages that it was compared by."""
    sent_again: int
    """Messages that it had confirmed and did not have."""
    quarantined: int
    """Units that it does not allow now."""
    refused: tuple[Refused, ...]
    """The first of them; each has its hold."""

    @property
    def equal(self) -> bool:
        """Tell whether nothing was different."""
        return not self.sent_again and not self.quarantined


@dataclass(frozen=True)
class Clerk:
    """Serves one MES for one station, from one thread."""

    records: Records
    mes: Mes
    orders: OrderDesk
    station: str

    def tell(self) -> None:
        """Turn what happened into messages; works also while the MES is away.

        Raises:
            ServiceError: The records are away.
        """
        while changes := self.records.mes_changes(BATCH):
            found = [message for change in changes for message in self._drafts(change)]
            self.records.mes_tell(found, changes[-1].position)
        at_work = self.records.runs(RunFilter(live=True), 1)
        self.tell_state(PRODUCTIVE if at_work else STANDBY)

    def _drafts(self, change: Change) -> tuple[MesDraft, ...]:
        """Return what tells a change; one that no message can hold is noted for engineering, and stops no other."""
        try:
            return drafts(change)
        except ValueError as error:
            self.records.event(UNTOLD, change.key, {"reason": str(error)}, "station")
            return ()

    def tell_state(self, state: str) -> None:
        """Queue the message that the station's state is another, if it is."""
        last, now = self.records.mes_last(Name.STATE), utc_now()
        before = json.loads(last.body)["NewState"] if last else OFF
        if state != before:
            lasted = now - last.at if last else timedelta()
            body = {"OldState": before, "OldStateDuration": _span(lasted), "NewState": state, "RelatedFault": None}
            number = last.ref.sequence if last else 0
            key = f"state/{self.station}/{number}"
            self.records.mes_tell([draft(key, Letter(Name.STATE, "", now, body))])

    def deliver(self) -> tuple[str, ...]:
        """Send what waits, in its order, and return what was refused: that is kept aside, and holds up nothing.

        Raises:
            ServiceError: The MES is away; what was not sent stays.
        """
        refused: list[str] = []
        while waiting := self.records.mes_waiting(BATCH):
            outcomes = [self._deliver(row) for row in waiting]
            refused += [f"{_short(row)}: {one.reason}" for row, one in outcomes if one.outcome is Delivered.REFUSED]
            if any(one.outcome is Delivered.WAITS for _, one in outcomes):
                break
        return tuple(refused)

    def listen(self) -> None:
        """Take what the MES sends, once each, in its order; this is also the sign that it is there.

        Raises:
            ServiceError: The MES or the records are away.
        """
        while True:
            found = sorted(self.mes.fetch(self.records.mes_position()), key=lambda down: down.position)
            self._heard()
            if not [down for down in found if self._take(down)]:
                return

    def reconcile(self) -> Reconciliation | None:
        """Agree with an MES that was away, once it has every message; None where there is nothing to agree on.

        Raises:
            ServiceError: It went away again; the next try begins anew.
        """
        link = self.records.mes_link()
        if link is None or link.away_since is None or self.records.mes_depth():
            return None
        told = {message_id(row): row for row in self.records.mes_told(link.away_since)}
        gone = frozenset(self.mes.missing(tuple(told)))
        for row in (row for one, row in told.items() if one in gone):
            self.mes.deliver(self._envelope(row))
        runs = self.records.mes_deferred(link.away_since)
        refused = tuple(self._disallowed(runs))
        report = Reconciliation(
            since=iso(link.away_since),
            until=iso(utc_now()),
            runs=len(runs),
            messages=len(told),
            sent_again=len(gone),
            quarantined=len(refused),
            refused=refused[:MOST_LISTED],
        )
        self.records.event(RECONCILED, self.station, asdict(report), "station")
        self.records.mes_back()
        return report

    def _deliver(self, row: MesMessageRow) -> tuple[MesMessageRow, Delivery]:
        delivery = self.mes.deliver(self._envelope(row))
        if delivery.outcome is not Delivered.WAITS:
            self.records.mes_delivered(row, str(delivery))
        return row, delivery

    def _envelope(self, row: MesMessageRow) -> Envelope:
        body: Body = json.loads(row.body)
        return Envelope(row.name, message_id(row), self.station, row.at, body, row.request, row.ref.sequence)

    def _heard(self) -> None:
        link, now = self.records.mes_link(), utc_now()
        if link is not None and now - link.heard_at > timedelta(seconds=HEARD_SECONDS):
            self.records.mes_heard(now)

    def _take(self, down: Down) -> bool:
        """Take a message and confirm it; False where it came before, perhaps a moment ago."""
        if self.records.mes_knows(down.envelope.id):
            self.mes.confirm(down, "It came before.", accepted=True)
            return False
        receipt = self._receive(down)
        self.mes.confirm(down, receipt.sentence, accepted=receipt.accepted)
        return True

    def _receive(self, down: Down) -> MesReceipt:
        """Do what a message says, keep it with its verdict, and answer; done again after a cut it ends the same."""
        found = down.envelope
        words: tuple[Word, ...] = ()
        try:
            match found.name:
                case Name.ORDERS:
                    verdicts = take(found, self.orders)
                case Name.ORDER_STATUS:
                    verdicts = (change_state(found, self.orders),)
                case Name.UNITS_VALIDATED:
                    words = unit_words(found, utc_now())
                    verdicts = (Verdict("", True, f"{len(words)} unit(s) noted."),)
                case _:
                    verdicts = (Verdict("", False, "This station takes no such message."),)
        except (ConfigError, ValueError) as error:
            verdicts = (Verdict("", False, f"{error}."),)
        accepted, sentence = all(one.accepted for one in verdicts), " ".join(one.sentence for one in verdicts)
        receipt = MesReceipt(found.id, down.position, found.name, json.dumps(found.body).encode(), accepted, sentence)
        self.records.mes_receive(receipt, tuple(_answers(found, verdicts)), words)
        return receipt

    def _disallowed(self, runs: Sequence[RunRow]) -> Iterator[Refused]:
        """Ask about units that began while it was away; those that it does not allow are quarantined."""
        for run in {run.unit: run for run in runs}.values():
            word = self._word(run)
            if word is None or word.passed:
                continue
            reason = f"It was begun while the MES was away, which does not allow it: {word.sentence}"
            hold = Hold(HoldScope.UNIT, run.unit, reason[:200], "station", HoldKind.QUARANTINE)
            self.records.hold(hold)
            yield Refused(run.unit, str(run.ref), word.sentence)

    def _word(self, run: RunRow) -> Word | None:
        name = unit_name(self.records, run.work_order, run.unit, run.hardware_uid)
        if not self.mes.answers:
            return self.records.mes_word(WordKind.UNIT, name)
        # Only its status: its turn here is over, as the MES was just told.
        word = unit_word(self.mes.ask(unit_question(self.station, name, STATUS)), name, utc_now())
        self.records.mes_keep_words([word])
        return word


def message_id(row: MesMessageRow) -> str:
    """Return the UniqueID of a message: the same for ever, as it is made of what the message tells."""
    return identified("message", row.key)


def _answers(found: Envelope, verdicts: Sequence[Verdict]) -> Iterator[MesDraft]:
    """Answer each order of a message, and what was refused."""
    for number, verdict in enumerate(verdicts):
        key = f"received/{found.id}/{number}"
        if not verdict.accepted:
            result = {"Result": "Failed", "ResultCode": 1, "Message": f"{verdict.order} {verdict.sentence}".strip()}
            letter = Letter(Name.NOT_SUPPORTED, "", utc_now(), {"RequestResult": result})
            yield draft(key, letter, found.id)
        elif found.name == Name.ORDERS:
            body = order_status(verdict.order, "AwaitingApproval", "ApprovedAndPending")
            yield draft(key, Letter(Name.ORDER_STATUS, "", utc_now(), body), found.id)


def _short(row: MesMessageRow) -> str:
    return f"{Name(row.name).short} {row.subject}".strip()


def _span(lasted: timedelta) -> str:
    """Write a duration as CFX's TimeSpan: `d.hh:mm:ss`."""
    seconds = max(0, int(lasted.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days}.{clock}" if days else clock

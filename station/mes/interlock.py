"""Whether the MES lets a run begin: asked before each, and for a bounded time judged by its last word while it is away.

While the MES is away, runs begin for so many hours and units only, and only of units of which it said before that they
passed the stage before; each such run says `deferred`. It counts as away until it knows everything that happened
meanwhile: until then its answers would be about a past.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from station.clock import utc_now
from station.config import MesSection
from station.errors import ConfigError, Interlocked, ServiceError
from station.mes.answers import ROUTE, STATUS, operator_question, operator_word, unit_question, unit_word
from station.mes.contract import Mes
from station.records import Consent, MesLinkRow, Records, RunRequest, Word, WordKind

ASK_WHY = "Ask the line lead why the MES forbids it."
WAIT = "Wait until the MES is back, or call the line lead."


@dataclass(frozen=True)
class MesInterlock:
    """The MES's say in whether a run begins; safe to use from several threads."""

    records: Records
    mes: Mes
    section: MesSection
    station: str
    now: Callable[[], datetime] = utc_now

    def permit(self, request: RunRequest) -> RunRequest:
        """Return the request with the MES's word for it.

        Raises:
            Interlocked: The MES forbids it, or it is away and never allowed it, or away for too long.
        """
        if not (self.section.validate_units or self.section.validate_operators):
            return request
        link = self.records.mes_link() or self.records.mes_begin()
        if link.away_since is None:
            if not self.mes.answers:
                return self._by_last_words(request, Consent.CONFIRMED)
            try:
                return self._by_its_answer(request)
            except (ServiceError, ConfigError):  # also a token or certificate that is not there: the alarm says it
                link = self.records.mes_lost()
        self._refuse_too_long(link)
        return self._by_last_words(request, Consent.DEFERRED)

    def words(self, request: RunRequest) -> tuple[Word, ...]:
        """Ask the MES, and keep what it says.

        Raises:
            ServiceError: It is away or answers nonsense.
        """
        found: list[Word] = []
        if self.section.validate_units:
            unit = self._name(request)
            found.append(unit_word(self.mes.ask(unit_question(self.station, unit, ROUTE, STATUS)), unit, self.now()))
        if self.section.validate_operators and request.operator:
            answer = self.mes.ask(operator_question(self.station, request.operator))
            found.append(operator_word(answer, request.operator, self.now()))
        self.records.mes_keep_words(found)
        return tuple(found)

    def _by_its_answer(self, request: RunRequest) -> RunRequest:
        for word in self.words(request):
            _refuse(word)
        return replace(request, mes=Consent.CONFIRMED)

    def _by_last_words(self, request: RunRequest, consent: Consent) -> RunRequest:
        """Judge by what the MES said last; a person whom it never judged is let in by the station's own sign-in."""
        if self.section.validate_units:
            unit = self._name(request)
            word = self.records.mes_word(WordKind.UNIT, unit)
            if word is None:
                message = f"The MES never said that {unit} passed the stage before."
                raise Interlocked(message, hint=WAIT)
            _refuse(word)
        if self.section.validate_operators:
            said = self.records.mes_word(WordKind.OPERATOR, request.operator)
            if said is not None:
                _refuse(said)
        return replace(request, mes=consent)

    def _name(self, request: RunRequest) -> str:
        return unit_name(self.records, request.order, request.serial, request.hardware_uid)

    def _refuse_too_long(self, link: MesLinkRow) -> None:
        since = link.away_since or link.heard_at
        if self.now() - since > timedelta(hours=self.section.away_hours):
            message = f"The MES has been away for more than {self.section.away_hours:g} hours."
            raise Interlocked(message, hint=WAIT)
        begun = len(self.records.mes_deferred(since))
        if begun >= self.section.away_units:
            raise Interlocked(f"{begun} runs began while the MES is away; no more may.", hint=WAIT)


def unit_name(records: Records, order: str, serial: str, hardware_uid: str) -> str:
    """Return the name by which the MES knows a unit: what is printed on its paper, or else the hardware's own.

    A number that the station allocates is the station's: the MES learns of it with the first run.
    """
    known = records.order(order)
    if known is not None and known.allocates:
        return hardware_uid
    unit = records.unit_of_hardware(hardware_uid)
    return serial or (unit.serial if unit else hardware_uid)


def _refuse(word: Word) -> None:
    """Raise what the MES said against it.

    Raises:
        Interlocked: It said no.
    """
    if not word.passed:
        what = f"unit {word.subject}" if word.kind is WordKind.UNIT else f"{word.subject} at this work"
        raise Interlocked(f"The MES does not allow {what}: {word.sentence}", hint=ASK_WHY)

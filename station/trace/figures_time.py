"""When hours, shifts and days begin where the factory stands, also on the days that have 23 or 25 hours.

All is reckoned in UTC between borders; only where a border lies, the factory's clock says. So no unit is counted in two
shifts, or in none, when that clock is put forward or back.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from station.errors import ConfigError
from station.model.figures import Period

DAY = timedelta(days=1)
LONG = {"week": 7, "month": 31}
"""Days of the periods that end today."""
PERIODS = ("shift", "today", "yesterday", *LONG)


class Calendar:
    """The clock on the factory's wall."""

    def __init__(self, zone: str, shifts: tuple[str, ...]) -> None:
        """Reckon in a time zone of the IANA database, with shifts that begin at these times of day (`HH:MM`)."""
        self.zone = zone
        self._zone = ZoneInfo(zone)
        self._shifts = tuple(map(time.fromisoformat, shifts))

    def period(self, name: str, now: datetime) -> Period:
        """Return a period by its name, as it is at a time.

        Raises:
            ConfigError: There is none of this name.
        """
        today = self._local(now).date()
        if name == "shift":
            borders = self.shifts(now, now)
            return Period(name, borders[0], self._next_shift(borders[0]))
        if name in ("today", "yesterday"):
            first = today if name == "today" else today - DAY
            return Period(name, self._begin(first), self._begin(first + DAY))
        if name not in LONG:
            raise ConfigError(f"'{name[:20]}' is no period", hint=f"Choose one of: {', '.join(PERIODS)}.")
        return Period(name, self._begin(today - (LONG[name] - 1) * DAY), self._begin(today + DAY))

    def hours(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """Return when each hour begins that lies in a span, the first not before it does."""
        found, at = [since], self._hour(since) + timedelta(hours=1)
        while at < until:
            found.append(at)
            at = self._hour(at) + timedelta(hours=1)
        return tuple(found)

    def days(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """Return when each day begins that lies in a span, the first not before it does."""
        return self._cut(since, until, self._begin)

    def shifts(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """Return when each shift begins that a span has a part of; the first may have begun before it."""
        all_of_them = tuple(self._shift_borders(since, until))
        first = bisect_right(all_of_them, since) - 1
        return all_of_them[first : max(first + 1, bisect_left(all_of_them, until))]

    def _next_shift(self, begin: datetime) -> datetime:
        borders = tuple(self._shift_borders(begin, begin + DAY))
        return borders[bisect_right(borders, begin)]

    def _shift_borders(self, since: datetime, until: datetime) -> Iterator[datetime]:
        day, last = self._local(since).date() - DAY, self._local(until).date() + DAY
        while day <= last:
            yield from sorted({self._utc(day, begin) for begin in self._shifts})
            day += DAY

    def _cut(self, since: datetime, until: datetime, begin: Callable[[date], datetime]) -> tuple[datetime, ...]:
        found, day = [since], self._local(since).date() + DAY
        while begin(day) < until:
            found.append(begin(day))
            day += DAY
        return tuple(found)

    def _begin(self, day: date) -> datetime:
        return self._utc(day, time())

    def _utc(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self._zone).astimezone(UTC)

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone)

    def _hour(self, at: datetime) -> datetime:
        """Return when the hour began that the wall's clock shows."""
        return at - timedelta(minutes=self._local(at).minute, seconds=at.second, microseconds=at.microsecond)

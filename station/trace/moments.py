"""Times as people write them: days, times and months, in UTC."""

import re
from datetime import UTC, datetime, timedelta

from station.clock import utc_now
from station.errors import ConfigError

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""There was no station before."""
LONGEST = 40
MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")


def moment(written: str | None, name: str) -> datetime | None:
    """Return a day or a time; None where nothing is written.

    Raises:
        ConfigError: It is none, or before there was any station.
    """
    if not written:
        return None
    try:
        found = datetime.fromisoformat(written)
        at = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: '{written[:LONGEST]}' is no day or time", hint="Write it as 2026-11-01.") from error
    if at < EARLIEST:
        raise ConfigError(f"{name}: {written[:LONGEST]} is before there was any station", hint="Correct the year.")
    return at


def month(written: str) -> tuple[datetime, datetime]:
    """Return begin and end of a month, written as `2026-11`, or `last` for the one before this.

    Raises:
        ConfigError: It is none.
    """
    if written == "last":
        until = utc_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (until - timedelta(days=1)).replace(day=1), until
    first = moment(f"{written}-01" if MONTH.fullmatch(written) else "", "month")
    if first is None:
        raise ConfigError(f"month: '{written[:LONGEST]}' is no month", hint="Write it as 2026-11, or 'last'.")
    return first, (first + timedelta(days=32)).replace(day=1)

"""What files of exports are called: by what is in them, so that two of different contents have different names."""

from datetime import UTC, datetime, timedelta

from station.records import ExportFilter
from station.trace.export.documents import DOCUMENTS
from station.trace.export.formats import FORMATS
from station.trace.export.making import Wanted

STAMP = "%Y%m%dT%H%M%SZ"
LONGER_THAN_A_MONTH = 32


def file_name(wanted: Wanted, begin: str = "", now: datetime | None = None) -> str:
    """Return what the file of an export is called.

    Args:
        wanted: The export.
        begin: How the name begins.
        now: Where no span of time is asked for, the name ends in this one, if it is given.
    """
    rows, kinds = wanted.rows, FORMATS if wanted.format in FORMATS else DOCUMENTS
    words = (("", rows.order), ("product-", rows.product), ("unit-", rows.unit), ("", rows.outcome or ""))
    said = [f"{what}{word}" for what, word in words if word]
    when = _when(rows) or (f"{now.astimezone(UTC):{STAMP}}" if now else "")
    parts = (begin, wanted.set.value, *said, when)
    return "-".join(part for part in parts if part).replace("/", "_") + kinds[wanted.format].suffix


def _when(rows: ExportFilter) -> str:
    """Return the span of time: a month or a day where it is one."""
    since, until = rows.since, rows.until
    if since and until and f"{since:%H%M%S%f}" == "000000000000":
        if until - since == timedelta(days=1):
            return f"{since:%Y-%m-%d}"
        if since.day == 1 and until == (since + timedelta(days=LONGER_THAN_A_MONTH)).replace(day=1):
            return f"{since:%Y-%m}"
    ends = (("from-", since), ("until-", until))
    return "-".join(f"{word}{at.astimezone(UTC):{STAMP}}" for word, at in ends if at)

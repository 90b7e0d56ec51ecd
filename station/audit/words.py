"""What a check of the log found, in words for QA."""

from collections.abc import Iterator

from station.audit.verify import LogVerdict, Seen


def verdict_lines(verdict: LogVerdict) -> tuple[str, ...]:
    """Return what was found, one sentence a line."""
    return tuple(_lines(verdict))


def _lines(verdict: LogVerdict) -> Iterator[str]:
    yield f"{verdict.entries} entries over {verdict.rows} rows, root {verdict.root.hex()}."
    if verdict.fits:
        yield f"{verdict.checkpoints} checkpoints fit, the newest: {_named(verdict.fits)}."
    if verdict.unsigned:
        yield f"The last {verdict.unsigned} entries are not signed yet."
    for deviation in verdict.deviations:
        yield f"! {deviation.sentence}"
    if verdict.more:
        yield f"! And {verdict.more} more."
    if verdict.shows:
        since = f" and after checkpoint {verdict.fits.checkpoint.size}" if verdict.fits else ""
        yield f"What is wrong was done before this checkpoint was signed{since}: {_named(verdict.shows)}."
    if verdict.unproven:
        yield (
            "No checkpoint is there: this station is new and has signed none yet, or somebody removed them. If it is"
            " new, sign the first with 'station audit checkpoint'; if not, name those that were kept elsewhere with"
            " --from."
        )
    if verdict.good:
        yield "Every row is as it was written, and every entry as it was signed."


def _named(seen: Seen) -> str:
    return f"{seen.checkpoint.size} entries, {seen.where}"

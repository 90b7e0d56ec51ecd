"""`station search` and `station recall`: which unit bears a number, and which units something is true of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.cli.proofs import ANCHOR, anchors_of, tell_proof
from station.config import StationConfig, load_station
from station.errors import ConfigError, Defect, UnitError
from station.person import Person, Role
from station.records import Found, Records, open_records
from station.strict import read_bounded
from station.trace.recall import DAYS, MOST_PAGE, USUAL_PAGE, WORDS, Recall, ask, page_of
from station.trace.search import MOST, USUAL, look_up

MOST_LIST_BYTES = 1_000_000
MOST_NAMED = 20
"""Serial numbers that a sentence names."""


@click.command()
@click.argument("text")
@click.option("--limit", default=USUAL, show_default=True, type=click.IntRange(1, MOST), help="At most so many.")
@DIRECTORY
@AS_JSON
@exit_codes
def search(text: str, directory: Path, limit: int, *, as_json: bool) -> None:
    """Find units by a number, or how it begins.

    Serial number, OCPP identity, hardware UID, MAC, ICCID, meter, part, seal, lot, certificate (serial number or
    SHA-256), label, order. Exit code 1 if nothing bears it.

    \b
    Examples:
      station search 1EMH0012345678
      station search SN:AC22-000017
      station search 00:11:22
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        answer = look_up(records, text, limit)
    if as_json:
        print_json({"unit": answer.unit, "more": answer.more, "hits": answer.hits})
    for hit in () if as_json else answer.hits:
        click.echo(_line(hit))
    if answer.more and not as_json:
        click.echo("There is more: give more of the number.", err=True)
    if not answer.hits:
        message = f"Nothing in these records is, or begins with, {answer.text}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Check the number.")


def _line(hit: Found) -> str:
    where = f"unit {hit.unit} of {hit.order}" if hit.unit else f"order {hit.order}"
    return f"{hit.kind:16} {hit.value:34} {where}, {hit.state}{', no longer' if hit.ended else ''}"


def _words(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for everything that may be asked."""
    for name, meaning in reversed(tuple(WORDS.items())):
        if name == "ever":
            flag = click.option("--ever", is_flag=True, help="Also what was so once and is not any more.")
            command = flag(command)
        elif name != "serials":
            told = f"{meaning} In UTC." if name in DAYS else meaning
            command = click.option(f"--{name.replace('_', '-')}", name, help=told)(command)
    source = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
    return click.option("--serials", "serials", type=source, help="File of serial numbers, one a line.")(command)


@click.group()
def recall() -> None:
    """Where-used: all units that something is true of, however it is combined.

    What a unit is made of counts as it is now; with --ever also what it was before. Who had it in their hands, where
    and when counts always.

    \b
    Examples:
      station recall list --firmware 1.4.0 --product ac22
      station recall list --component mbedtls@3.6.4 --count
      station recall list --lot K-00017 --state warehouse
      station recall list --state warehouse --expires-before 2027-06-30
      station recall list --station line2 --slot 3 --since 2026-11-02 --until 2026-11-04
      station recall package --lot K-00017 --out recall.zip --as qa-1
      station recall verify recall.zip --anchor records.pem
    """


@recall.command("list")
@_words
@click.option("--count", "only_count", is_flag=True, help="Only how many there are.")
@click.option("--limit", default=USUAL_PAGE, show_default=True, type=click.IntRange(1, MOST_PAGE))
@click.option("--after", default="", help="Go on behind this serial number.")
@DIRECTORY
@AS_JSON
@exit_codes
def recall_list(directory: Path, limit: int, after: str, *, only_count: bool, as_json: bool, **words: Any) -> None:
    """List the units, or count them; without a condition all units.

    \b
    Examples:
      station recall list --lot K-00017
      station recall list --serials serials.txt --state warehouse --count
      station recall list --expires-before 2027-06-30 --json
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        asked = _asked(records, words)
        count = records.count_recalled(asked.filter) if only_count else 0
        page = None if only_count else page_of(records, asked, after, limit)
    if page is None:
        told = {"count": count, "unjudged": asked.unjudged, "unknown": asked.unknown}
        print_json(told) if as_json else click.echo(count)
    elif as_json:
        print_json(vars(page) | {"units": [unit._asdict() for unit in page.units]})
    else:
        for unit in page.units:
            click.echo(f"{unit.serial:26} {unit.state:9} {unit.work_order:24} {unit.firmware_name} {unit.firmware}")
        more = f", more with --after {page.next}" if page.next else ""
        click.echo(f"{page.count} unit(s){more}.", err=True)
    _warn(asked)


@recall.command("package")
@_words
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("recall.zip"), show_default=True)
@DIRECTORY
@AS_JSON
@acting(Role.QA, Role.LINE_LEAD)
def recall_package(directory: Path, person: Person, out: Path, *, as_json: bool, **words: Any) -> None:
    """Write the units as CSV and JSON with a signed manifest, in one ZIP archive.

    \b
    Examples:
      station recall package --lot K-00017 --as qa-1
      station recall package --component mbedtls@3.6.4 --ever --out mbedtls.zip --as qa-1
    """
    from station.trace.export.signing import opened_to_sign
    from station.trace.recall_package import make_package

    config: StationConfig = load_station(directory)
    with opened_to_sign(config) as (records, signer):
        asked = _asked(records, words)
        made = make_package(records, asked, person.id, out, signer)
    if as_json:
        print_json(vars(made) | {"unjudged": asked.unjudged, "unknown": asked.unknown})
    else:
        click.echo(f"{made.path}: {made.units} unit(s), SHA-256 {made.sha256}")
    _warn(asked)


@recall.command("verify")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@DIRECTORY
@AS_JSON
@ANCHOR
@exit_codes
def recall_verify(file: Path, directory: Path, anchor: Path | None, *, as_json: bool) -> None:
    """Judge a recall package offline, and say what that proved and what not.

    Needs no station: FILE and the factory's record certificate are enough. Exit codes: 0 it is what it says, 1 it is
    not, 2 a file can't be read.

    \b
    Example:
      station recall verify recall.zip --anchor records.pem
    """
    from station.trace.recall_proof import prove_package

    proof = prove_package(file, anchors_of(anchor, directory))
    if as_json:
        print_json(vars(proof))
        return
    tell_proof(proof.proved, proof.not_proved)


def _asked(records: Records, words: dict[str, Any]) -> Recall:
    """Understand the options."""
    file: Path | None = words.pop("serials")
    ever = words.pop("ever")
    serials = read_bounded(_readable(file), str(file), MOST_LIST_BYTES).decode("utf-8", "replace") if file else ""
    if file and not serials.strip():
        raise ConfigError(f"{file}: there is no serial number in it", hint="Give another file, or no --serials.")
    said = {name: text for name, text in words.items() if text is not None}
    return ask(records, said | ({"serials": serials} if file else {}) | ({"ever": "yes"} if ever else {}))


def _readable(file: Path) -> Path:
    return Path("/dev/stdin") if str(file) == "-" else file


def _warn(asked: Recall) -> None:
    if asked.unknown:
        more = f" and {len(asked.unknown) - MOST_NAMED} more" if len(asked.unknown) > MOST_NAMED else ""
        named = ", ".join(asked.unknown[:MOST_NAMED])
        click.echo(f"{len(asked.unknown)} serial number(s) no unit has: {named}{more}", err=True)
    if asked.unjudged:
        message = (
            f"{asked.unjudged} unit(s) can't be judged: nobody kept what they were built of, or they have no passport."
        )
        click.echo(message, err=True)

"""`station backup`, `restore`, `retention` and `archive`: what keeps a station's records for ten years."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json, refusals_noted, signed_in
from station.cli.proofs import ANCHOR, FILE, KEPT_ELSEWHERE, anchors_of, tell_proof
from station.config import load_station
from station.errors import ConfigError
from station.person import Person, Role
from station.records import open_records

if TYPE_CHECKING:
    from station.keeping.backup import Made
    from station.keeping.restore import Restored
    from station.records import Accepted

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@DIRECTORY
@click.option("--to", "target", type=FOLDER, help="Folder on another disk; [backup] directory by default.")
@click.option("--keep", type=click.IntRange(1, 10_000), help="How many stay, the newest; [backup] keep by default.")
@AS_JSON
@acting(Role.ADMIN, Role.QA)
def backup(directory: Path, person: Person, target: Path | None, keep: int | None, *, as_json: bool) -> None:
    """Back the station up while it runs, and restore the backup on trial; only then it gets its name.

    It holds records, the PKI's ledger, settings and catalogue, each file in a manifest that the record key signs. It
    holds no secret and no key of a token: keep those apart. The daemon does the same by itself as [backup] says.

    \b
    Examples:
      station backup --to /mnt/backup --as admin-1
      station backup --to /mnt/backup --keep 30 --as admin-1
    """
    from station.keeping.backup import Wanted, make_backup
    from station.trace.export.signing import opened_to_sign

    config = load_station(directory)
    if target is None and not config.backup.directory:
        raise ConfigError("nothing says where backups go", hint="Name the folder with --to, or in [backup].")
    folder = target.absolute() if target else Path(config.backup.directory)
    wanted = Wanted(folder, keep or config.backup.keep, person.id)
    with opened_to_sign(config) as (records, signer):
        made = make_backup(config, records, signer, wanted)
    if as_json:
        print_json(vars(made))
    else:
        click.echo("\n".join(_told_backup(made)))


def _told_backup(made: "Made") -> Iterator[str]:
    yield f"{made.path}: {made.bytes} bytes, {made.rows} rows, {made.entries} entries of the log, root {made.root}."
    yield "It was restored on trial: every file, row and entry came back."
    for problem in made.problems:
        yield f"! {problem}"
    if made.problems:
        yield "! The audit log was not good before it was copied. No older backup is taken away. Call quality."
    for name in made.ahead:
        yield f"! {name} bears a time to come: a clock was wrong, then or now. It stays; take it away by hand."
    for name, why in made.left_out.items():
        yield f"Not in it: {name} ({why})."
    for name in made.pruned:
        yield f"Taken away: {name}."


@click.command()
@click.argument("source", metavar="[BACKUP]", required=False, type=FOLDER)
@click.option("--to", "target", type=FOLDER, help="New station directory; it must be empty.")
@click.option("--anchor", type=FILE, help="The factory's record certificate, from outside of the backup.")
@KEPT_ELSEWHERE
@click.option("--accept", is_flag=True, help="Answer for what a restored station does not know, so that it runs.")
@DIRECTORY
@click.option("--as", "acting_as", metavar="PERSON", envvar="STATION_AS", help="Who accepts: quality.")
@click.option("--pin-file", type=FILE, envvar="STATION_PIN_FILE", help="File with your PIN.")
@click.option("--with", "second", metavar="PERSON", help="The second person: line lead or admin.")
@click.option("--with-pin-file", type=FILE, help="File with the second's PIN.")
@click.option("--reason", default="", help="Why; stands in the records for good.")
@click.option(
    "--given", multiple=True, metavar="ORDER=SERIAL", help="Last serial number that was surely given; else all burn."
)
@click.option(
    "--last-carton",
    default="",
    metavar="SSCC|NUMBER",
    help="Last carton number that can have been given, where [labels.cartons] has a block; 0 for a new block.",
)
@AS_JSON
@exit_codes
def restore(source: Path | None, *, accept: bool, as_json: bool, **options: Any) -> None:
    """Make a station of BACKUP in a new directory, and say what it does not know.

    Nothing runs there until quality and a line lead have accepted the gap: serial numbers that may have been given
    since the backup are burnt, and units that were in work are on hold.

    \b
    Examples:
      station restore /mnt/backup/line3-20261122T004500000Z --to line3 --anchor records.pem --from /mnt/qa/line3
      station restore --accept --dir line3 --as qa-1 --with lead-1 --reason "disk of line3 died on 22 November"
      station restore --accept --dir line3 … --given WO-1001=AC22-000123
    """
    if accept:
        _accept(as_json=as_json, **options)
    elif source is None or options["target"] is None or options["anchor"] is None:
        raise ConfigError("restore what, and to where?", hint="Say: station restore BACKUP --to DIR --anchor FILE.")
    else:
        _restore(source, options["target"], options["anchor"], options["outside"], as_json=as_json)


def _restore(source: Path, target: Path, anchor: Path, outside: tuple[Path, ...], *, as_json: bool) -> None:
    from station.audit.kept import notes_in
    from station.keeping.restore import restore as restored_from

    restored = restored_from(source, target.absolute(), anchors_of(anchor, target), list(notes_in(outside)))
    if as_json:
        print_json({**vars(restored.manifest), **_gap(restored), "directory": restored.directory})
        return
    click.echo("\n".join(_told_restored(restored)))


def _gap(restored: "Restored") -> dict[str, Any]:
    found = restored.examined
    newest = found.newest.checkpoint.size if found.newest else None
    return {"lost_entries": found.lost, "newest_elsewhere": newest, "unsigned_elsewhere": found.unsigned}


def _told_restored(restored: "Restored") -> Iterator[str]:
    manifest, examined = restored.manifest, restored.examined
    yield f"{restored.directory}: station {manifest.station} as it was on {manifest.made_at}, whole."
    for problem in examined.problems:
        yield f"! {problem}"
    if examined.newest is None:
        yield "! How much happened since is not known: name checkpoints that were kept elsewhere with --from."
    elif examined.lost:
        yield f"! {examined.lost} entries of the audit log are lost at least: {examined.newest.where} shows them."
    else:
        size = f"the newest checkpoint you named has {examined.newest.checkpoint.size} entries, the backup"
        yield f"! How much happened since is not known: {size} {examined.entries}. Look for a newer one."
    for where in examined.unsigned:
        yield f"! {where} calls itself a checkpoint of this log, but its key did not sign it: show it to quality."
    yield "Lost with them are the units, certificates and decisions of that time. Look for labels and CPMS records."
    yield "Secrets to give again, each with mode 0600: " + (", ".join(manifest.secrets) or "none") + "."
    if load_station(restored.directory).labels.cartons.prefix:
        yield "Carton numbers were given since, too: look for the last one, and name it with --last-carton."
    yield f"Next: bring the token, then 'station restore --accept --dir {restored.directory} --as QA --with LEAD'."


def _accept(*, directory: Path, second: str | None, reason: str, given: tuple[str, ...], **options: Any) -> None:
    from station.keeping.accepting import FIRST, SECOND, accept, last_carton_of
    from station.people import require

    if not second:
        raise ConfigError("it takes two people", hint="Name the second one: --with PERSON.")
    through = dict(_pair(one) for one in given)
    first = signed_in(directory, options["acting_as"], options["pin_file"])
    other = signed_in(directory, second, options["with_pin_file"], f"PIN of {second}")
    for person, roles in ((first, FIRST), (other, SECOND)):
        with refusals_noted(directory, person):
            require(person, *roles)
    config = load_station(directory)
    carton = last_carton_of(config.labels.cartons, options["last_carton"])
    with open_records(config.database_url, config.station.id) as records:
        accepted = accept(records, (first, other), reason, through, carton)
    if options["as_json"]:
        print_json(vars(accepted))
    else:
        click.echo("\n".join(_told_accepted(accepted, carton)))


def _pair(word: str) -> tuple[str, str]:
    order, equals, serial = word.partition("=")
    if not (order and equals and serial):
        raise ConfigError(f"'{word[:80]}' is not ORDER=SERIAL", hint="Such as WO-1001=AC22-000123.")
    return order, serial


def _told_accepted(accepted: "Accepted", carton: str) -> Iterator[str]:
    for burnt in accepted.burnt:
        yield f"{burnt.order}: {burnt.first} to {burnt.last} are burnt; {burnt.left} numbers are left."
        if burnt.missing:
            message = "create another order for them, with a block that no order can have had since the backup"
            yield f"! {burnt.order} has no numbers for {burnt.missing} of its units: {message}."
    if accepted.held:
        yield f"On hold until quality has looked at them: {', '.join(accepted.held)}."
    if carton:
        yield f"Carton numbers go on behind {carton}."
    yield "The station may run. Orders of since the backup are not known: never use their serial blocks again."


@click.command()
@DIRECTORY
@click.option("--delete", is_flag=True, help="Delete the files that may go; an admin or quality answers for it.")
@click.option("--as", "acting_as", metavar="PERSON", envvar="STATION_AS", help="Who deletes.")
@click.option("--pin-file", type=FILE, envvar="STATION_PIN_FILE", help="File with your PIN.")
@AS_JSON
@exit_codes
def retention(directory: Path, acting_as: str | None, pin_file: Path | None, *, delete: bool, as_json: bool) -> None:
    """Tell how large each table and folder is, and which files may go by [retention].

    No row ever goes. Only files do that can be made again: exports, and PDFs of passports.

    \b
    Examples:
      station retention
      station retention --delete --as admin-1
    """
    from station.clock import utc_now
    from station.keeping import retention as rules
    from station.people import require

    config = load_station(directory)
    person = signed_in(directory, acting_as, pin_file) if delete else None
    if person is not None:
        with refusals_noted(directory, person):
            require(person, Role.ADMIN, Role.QA)
    with open_records(config.database_url, config.station.id) as records:
        if person is not None:
            rules.demand_rules(config)
            files = rules.delete(config, records, person.id, utc_now())
        else:
            files = rules.expired(config, records, utc_now())
        sizes, folders = records.sizes(), rules.folder_sizes(config.directory)
    if as_json:
        print_json({"tables": sizes, "folders": folders, "files": files, "deleted": delete})
        return
    for size in (one for one in sizes if one.rows):
        told = "" if size.bytes is None else f"{size.bytes:>14} bytes"
        click.echo(f"{size.table:22} {size.rows:>12} rows {told}  {size.oldest[:10]}")
    for folder in folders:
        click.echo(f"{folder.folder + '/':22} {folder.files:>12} files{folder.bytes:>14} bytes")
    for file in files:
        click.echo(f"{'Deleted' if delete else 'May go'}: {file.path} ({file.bytes} bytes): {file.why}.")


@click.group()
def archive() -> None:
    """Archives: everything of a closed order in one signed file that is read without this software.

    The records keep their rows, so search and recall go on.

    \b
    Examples:
      station archive make WO-1001 --to /mnt/archive --as qa-1
      station archive verify WO-1001.archive.zip --anchor records.pem --log-key audit.pem
    """


@archive.command("make")
@click.argument("orders", metavar="ORDER...", nargs=-1, required=True)
@click.option("--to", "folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@DIRECTORY
@AS_JSON
@acting(Role.QA, Role.ADMIN)
def archive_make(directory: Path, person: Person, orders: tuple[str, ...], folder: Path, *, as_json: bool) -> None:
    """Write each closed ORDER into a file of its own, with its signed manifest beside it."""
    from station.keeping.archive import make_archive
    from station.trace.export.signing import opened_to_sign

    config = load_station(directory)
    with opened_to_sign(config) as (records, signer):
        made = [make_archive(config, records, signer, order, folder, person.id) for order in orders]
    if as_json:
        print_json(made)
        return
    for one in made:
        click.echo(f"{one.path}: {one.units} units, {one.passports} passports, {one.rows} rows, SHA-256 {one.sha256}")


@archive.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@ANCHOR
@click.option("--log-key", type=FILE, help="The factory's audit certificate; without it log proofs are not judged.")
@DIRECTORY
@AS_JSON
@exit_codes
def archive_verify(file: Path, anchor: Path | None, log_key: Path | None, directory: Path, *, as_json: bool) -> None:
    """Check an archive offline: every byte, every count, every passport's signature; exit code 1 if it is another."""
    from station.audit.key import read_anchor
    from station.keeping.archive_check import prove_archive

    spki = read_anchor(log_key) if log_key else b""
    proof = prove_archive(file, anchors_of(anchor, directory), spki)
    if as_json:
        print_json(vars(proof))
        return
    tell_proof(proof.proved, proof.not_proved)

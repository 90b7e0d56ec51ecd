"""`station audit`: check the log over everything that was written, sign it, give it away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.cli.proofs import FILE, KEPT_ELSEWHERE
from station.config import load_station
from station.errors import Defect, UnitError
from station.person import Person, Role
from station.records import LogSigner, open_records

if TYPE_CHECKING:
    from station.audit.publisher import LogOffice

ANCHOR = click.option(
    "--anchor",
    type=FILE,
    help="Certificate of the audit key; the station's own by default. An auditor brings their own.",
)


@click.group()
def audit() -> None:
    """The audit log: an entry for every row that the station writes, in a tree that the audit key signs.

    \b
    Examples:
      station audit verify                               compare every row, entry and checkpoint
      station audit verify --from /mnt/qa/line3          … with the checkpoints that were kept elsewhere
      station audit checkpoint                           sign the log as it is now
      station audit hand-over --old audit-2026.pem …     go on after a new audit key or station id
      station audit export /mnt/usb/log                  for an outsider; check it with deploy/verify_log.py
      station audit proof AC22-000017 -o p.tlog-proof    prove that a passport stands in the log
    """


@audit.command("verify")
@DIRECTORY
@AS_JSON
@ANCHOR
@KEPT_ELSEWHERE
@exit_codes
def audit_verify(directory: Path, anchor: Path | None, outside: tuple[Path, ...], *, as_json: bool) -> None:
    """Check every row against the log, and the log against every checkpoint; exit code 1 if anything was changed.

    Whoever owns the station's directory and its HSM could write another history. Checkpoints that were kept elsewhere
    show that: name them with --from.
    """
    from station.audit.kept import notes_in
    from station.audit.key import audit_certificate, origin_of, read_anchor
    from station.audit.publisher import FOLDER
    from station.audit.verify import verify_log
    from station.audit.words import verdict_lines

    config = load_station(directory)
    spki = read_anchor(anchor or audit_certificate(config))
    own = config.directory / FOLDER / "checkpoint"
    with open_records(config.database_url, config.station.id) as records:
        notes = notes_in((*outside, *([own] if own.exists() else [])))
        verdict = verify_log(records, spki, origin_of(config.station.id), notes)
    if as_json:
        print_json({"good": verdict.good, "unsigned": verdict.unsigned, **vars(verdict), "root": verdict.root.hex()})
    else:
        click.echo("\n".join(verdict_lines(verdict)))
    if verdict.unproven:
        message = "Nothing proves the records: no checkpoint fits."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Run 'station audit checkpoint' if the station is new.")
    if not verdict.good:
        count = len(verdict.deviations) + verdict.more
        message = f"The records are not as they were written: {count} deviation(s)."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Keep the station as it is, and call quality.")


@audit.command("checkpoint")
@DIRECTORY
@AS_JSON
@exit_codes
def audit_checkpoint(directory: Path, *, as_json: bool) -> None:
    """Sign the log as it is now, and give the checkpoint to all that get copies; the daemon does so by itself."""
    with _office(directory) as office:
        checkpoint, problems = office.publish()
    if as_json:
        print_json({"size": checkpoint.size, "root": checkpoint.root.hex(), "problems": problems})
        return
    click.echo(f"Checkpoint of {checkpoint.size} entries, root {checkpoint.root.hex()}.")
    for problem in problems:
        click.echo(problem, err=True)


@audit.command("hand-over")
@click.option(
    "--old",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Audit certificate by which the log was signed so far; the same as now if only the station's id is new.",
)
@click.option("--old-id", help="The station's id so far; that of now by default.")
@click.option("--reason", required=True, help="Why: it is recorded.")
@DIRECTORY
@acting(Role.PKI_OFFICER, Role.QA)
def audit_hand_over(directory: Path, old: Path, old_id: str | None, reason: str, person: Person) -> None:
    """Go on with the log under a new audit key or a new station id, and sign it; nothing is signed before.

    The log gets an entry that names both, which the new key signs with all that was before. Give its certificate to
    everybody who keeps checkpoints.

    \b
    Example:
      station audit hand-over --old audit-2026.pem --reason "token replaced" --as qa-1
    """
    from station.audit.key import origin_of, read_anchor

    with _office(directory) as office:
        before = LogSigner(origin_of(old_id or office.records.database.station), read_anchor(old))
        checkpoint, problems = office.hand_over(before, person.id, reason)
    click.echo(f"{before.origin} hands over to {checkpoint.origin}: checkpoint of {checkpoint.size} entries.")
    for problem in problems:
        click.echo(problem, err=True)


@audit.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@DIRECTORY
@exit_codes
def audit_export(folder: Path, directory: Path) -> None:
    """Write the log to FOLDER, up to its newest checkpoint: entries, tiles, checkpoints and the audit certificate.

    \b
    Example:
      station audit export /mnt/usb/log
      python3 deploy/verify_log.py /mnt/usb/log audit.pem
    """
    from station.audit.export import export_log
    from station.audit.key import audit_certificate, read_anchor

    config = load_station(directory)
    certificate = audit_certificate(config)
    with open_records(config.database_url, config.station.id) as records:
        size = export_log(records, folder, certificate, read_anchor(certificate))
    click.echo(f"{folder}: {size} entries up to the newest checkpoint.")


@audit.command("proof")
@click.argument("serial")
@DIRECTORY
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@exit_codes
def audit_proof(serial: str, directory: Path, output: Path) -> None:
    """Write the proof that the latest passport of unit SERIAL stands in the log (c2sp.org/tlog-proof)."""
    from station.audit.proof import proof

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = proof(records, serial)
    if found is None:
        message = f"There is no proof of a passport of unit {serial} yet."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Release the unit, then run 'station audit checkpoint'.")
    output.write_bytes(found)
    click.echo(f"{output}: proof of the passport of {serial}.")


@contextmanager
def _office(directory: Path) -> Iterator["LogOffice"]:
    """Open records, HSM and copies for one signature."""
    from functools import partial

    from station.audit.copies import open_copies
    from station.audit.key import log_key
    from station.audit.publisher import FOLDER, LogOffice
    from station.callers import given_secret
    from station.factory import opened_factory

    config = load_station(directory)
    copies = open_copies(config, partial(given_secret, config.audit.token, config.directory))
    with open_records(config.database_url, config.station.id) as records, opened_factory(config) as factory:
        key = log_key(factory, config.station.id)
        try:
            yield LogOffice(records, key, config.directory / FOLDER, copies)
        finally:
            copies.close()

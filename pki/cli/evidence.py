"""Commands that give signed evidence."""

import json
from pathlib import Path

import click

from pki.cli.common import DIRECTORY, FILE, JSON, opened, opened_ledger, show
from pki.evidence import export_audit, sign_firmware
from pki.plan import Layout


@click.command()
@DIRECTORY
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many of the newest to show.")
@click.option("--export", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write all to FILE, signed.")
@JSON
def audit(directory: Path, last: int, file: Path | None, *, as_json: bool) -> None:
    """Show who did what, or export it signed.

    The export is one JSON object a line, with the audit key's signature over the file beside it.

    \b
    Examples:
      pki audit --dir /var/lib/pki --last 5
      pki audit --dir /var/lib/pki --export audit.jsonl
    """
    if file is not None:
        with opened(directory) as factory:
            signed = export_audit(factory, file)
        click.echo(f"wrote {signed.file} and {signed.signature}, sha256 {signed.sha256}")
        return
    with opened_ledger(directory) as (_, ledger):
        entries = [json.loads(entry.entry) for entry in ledger.audit_entries()[-last:]]
    show(entries, "\n".join("{at} {actor}: {act} {subject}".format(**entry) for entry in entries), as_json=as_json)


@click.command("firmware-sign")
@click.argument("image", type=FILE)
@DIRECTORY
def firmware_sign(image: Path, directory: Path) -> None:
    """Sign IMAGE with the firmware key.

    IMAGE.sig holds the signature, DER. Needs the token that holds the key, which may be the offline one.

    \b
    Example:
      pki firmware-sign ac22-1.5.0.bin --dir /var/lib/pki
    """
    with opened_ledger(directory) as (plan, ledger):
        signed = sign_firmware(plan, Layout(directory), ledger, image)
    click.echo(f"wrote {signed.signature}; the image has sha256 {signed.sha256}")

"""`station init`, `check`, `run`, `slots` and `commands`: set up a station and serve the line."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json, tell_welcome
from station.config import load_station
from station.setup import InitOptions, init_station, welcome_admin


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--id", "identity", default="ST1", show_default=True, help="Name of the station, unique in the factory.")
@click.option("--slots", default=4, show_default=True, type=click.IntRange(1, 64), help="Number of slots to prepare.")
@click.option("--ports", default="udev:", show_default=True, help="Where plugged chargers are seen.")
@click.option("--printer", default="file:labels", show_default=True, help="Label printer.")
@click.option("--order", default="WO-1", show_default=True, help="Work order that the line starts with.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page and the OCPP server.")
@click.option("--web-port", default=8080, show_default=True, help="TCP port of the operator page.")
@click.option("--test-port", default=8443, show_default=True, help="TCP port of the OCPP server, test endpoint.")
@click.option(
    "--ship-port", default=8444, show_default=True, help="TCP port of the OCPP server, stand-in for the ship endpoint."
)
@click.option("--admin", default="admin-1", show_default=True, help="Id of the first admin, who adds all other people.")
@exit_codes
def init(directory: Path, admin: str, **options: object) -> None:
    """Create a station directory with a commented station.toml and its database.

    Its first admin gets a badge and a one-time code, told once, and chooses a PIN with them. Running it again changes
    nothing that is there.
    """
    written = init_station(directory, InitOptions(**options))  # type: ignore[arg-type]
    for path in written:
        click.echo(f"created {path}")
    if (welcome := welcome_admin(directory, admin)) is not None:
        tell_welcome(welcome, directory)
    click.echo(
        f"Next: fill {directory}/catalog, hold the ceremony ('pki ceremony'), create an order ('station order create')."
    )


@click.command()
@DIRECTORY
@AS_JSON
@exit_codes
def check(directory: Path, *, as_json: bool) -> None:
    """Test every promise of the configuration and name what is wrong.

    Exit code 0 when all is well, 2 for the configuration, 3 when a service is away.
    """
    from station.check import check_station, worst

    findings = check_station(directory)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.detail}")
            if not finding.ok and finding.hint:
                click.echo(f"     {finding.hint}")
    sys.exit(worst(findings))


@click.command()
@DIRECTORY
@exit_codes
def run(directory: Path) -> None:
    """Serve the line until Ctrl-C or SIGTERM; runs in work are closed ABORTED and continue at the next start."""
    from station.daemon import run_station

    run_station(load_station(directory))


@click.command()
@DIRECTORY
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("commands.pdf"),
    show_default=True,
    help="Where to write the PDF.",
)
@click.option("--language", default="", help="Language of the sheet; by default that of the station's pages.")
@exit_codes
def commands(directory: Path, out: Path, language: str) -> None:
    """Write the sheet of codes that people scan at the line: slots, commands, digits of a PIN, reasons."""
    from station.documents.commands import render_commands
    from station.web.language import Languages

    config = load_station(directory)
    spoken = Languages(language or config.web.language).chosen({})
    out.write_bytes(render_commands(config.station.id, [slot.name for slot in config.slot], spoken.say))
    click.echo(f"written {out}")


@click.command()
@DIRECTORY
@AS_JSON
@exit_codes
def slots(directory: Path, *, as_json: bool) -> None:
    """List what is plugged in now, and print the stanza that binds an unknown port to a slot."""
    from station.detect import open_ports, slot_of, suggest_stanza

    config = load_station(directory)
    ports = open_ports(config.located(config.station.ports))
    try:
        rows = [(slot_of(config.slot, port.path), port) for port in ports.list()]
    finally:
        ports.close()
    if as_json:
        print_json([{"slot": slot.name if slot else None, **asdict(port)} for slot, port in rows])
        return
    for slot, port in rows:
        click.echo(
            f"{('slot ' + slot.name) if slot else 'no slot':10} {port.path}  {port.node}  {port.product}".rstrip()
        )
        if slot is None:
            click.echo(suggest_stanza(port))
    if not rows:
        click.echo("Nothing is plugged in.")

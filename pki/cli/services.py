"""Commands about what other machines ask for: lists, the service, enrolment, identities, batch keys."""

import logging
from datetime import timedelta
from pathlib import Path

import click

from pki.ceremony import Occasion, publish_root_lists
from pki.cli.common import DIRECTORY, ENVIRONMENT, ENVIRONMENTS, FILE, PROFILE, opened
from pki.errors import RequestRefused
from pki.est import CODE_BYTES, MAX_LASTS, allow_enrolment
from pki.kek import make_kek
from pki.ledger import Owner
from pki.roles import OFFICER, require
from pki.service import Options, publish_all, serve, status_authorities


@click.command()
@DIRECTORY
@click.option("--roots", is_flag=True, help="Those of roots and intermediate CAs; needs their token.")
@click.option("--force", is_flag=True, help="Also where nothing changed since the last one.")
def crl(directory: Path, *, roots: bool, force: bool) -> None:
    """Publish the CRLs that need it in DIR/crl.

    One needs it after a revocation, and when half of the last one's time is over.

    \b
    Examples:
      pki crl --dir /var/lib/pki
      pki crl --roots --dir /var/lib/pki
    """
    if roots:
        done = publish_root_lists(directory, Occasion(say=click.echo), force=force)
    else:
        with opened(directory) as factory:
            names = publish_all(status_authorities(factory), factory.layout.crls, force=force)
        done = [f"published the CRL of {name}" for name in names]
        click.echo("\n".join(done), nl=bool(done))
    if not done:
        click.echo("Nothing to do: every list is fresh.")


@click.command("serve")
@DIRECTORY
@click.option("--http", default="127.0.0.1:8080", show_default=True, help="For CRL, OCSP and CA certificates.")
@click.option("--https", default="127.0.0.1:8443", show_default=True, help="For EST; empty for none.")
@click.option("--label", "labels", multiple=True, help="EST label, <environment>-<profile>; the first is the default.")
@click.option("--registrar", "registrars", multiple=True, help="Station whose identity may enrol units.")
def serve_command(directory: Path, http: str, https: str, labels: tuple[str, ...], registrars: tuple[str, ...]) -> None:
    """Serve CRLs, OCSP and EST until SIGTERM.

    CRLs, OCSP and CA certificates are for everybody over HTTP; enrolment (EST) is over HTTPS.

    \b
    Examples:
      pki serve --dir /var/lib/pki --http 0.0.0.0:80 --https 0.0.0.0:443 --label ship-station
      pki serve --dir /var/lib/pki --https ""
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with opened(directory) as factory:
        options = Options(
            http=_address(http),
            https=_address(https) if https else None,
            labels=labels or Options().labels,
            registrars=frozenset(registrars),
        )
        serve(factory, options)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"'{text}' is no HOST:PORT")
    return host.strip("[]"), int(port)


@click.command("enrol-code")
@ENVIRONMENT
@click.option("--unit", required=True, help="For which unit the code is good.")
@click.option("--order", required=True, help="Work order whose quota it counts for.")
@click.option("--days", type=click.IntRange(1, MAX_LASTS.days), default=7, show_default=True, help="How long.")
@PROFILE
@DIRECTORY
def enrol_code(environment: str, unit: str, order: str, days: int, profile: str, directory: Path) -> None:
    """Make a unit's one-time code for EST.

    With it the unit gets its first certificate, once. Only its hash is kept.

    \b
    Example:
      pki enrol-code --environment ship --unit AC22-000001 --order WO-1001 --dir /var/lib/pki
    """
    with opened(directory) as factory:
        require(factory.plan, OFFICER)
        owner = Owner(unit, ENVIRONMENTS[environment].name, profile)
        code = allow_enrolment(factory.ledger, factory.random(CODE_BYTES), owner, order, timedelta(days=days))
    click.echo(code)


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Why it gets a next one after its last was revoked; an officer's word.")
@DIRECTORY
def identity(name: str, reason: str, directory: Path) -> None:
    """Make or renew a station's own certificate.

    By it the station or service NAME is known in the factory. Stations do this by themselves; an officer is needed
    after a revocation only.

    \b
    Examples:
      pki identity line3.factory.example --dir /var/lib/pki
      pki identity line3.factory.example --reason "new disk after case 17" --dir /var/lib/pki
    """
    with opened(directory) as factory:
        files = factory.allow_identity(name, reason) if reason else factory.station_identity(name)
    click.echo(f"certificate {files.chain}\nkey         {files.key} (encrypted with the secret server-key)")


@click.command()
@click.argument("label")
@click.option("--for", "recipient", type=FILE, help="RSA public key (PEM) of who puts the key into the devices.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File for the key under RSAES-OAEP.")
@click.option(
    "--trusted", is_flag=True, help="As the token's security officer, so that devices' keys go under no other."
)
@DIRECTORY
def kek(label: str, recipient: Path | None, out: Path | None, directory: Path, *, trusted: bool) -> None:
    """Make the AES-256 key of a batch of devices.

    For devices that have no transport key of their own; keep batches small. It leaves the token once, for the holder of
    the --for key, who writes it into the devices' fuses.

    \b
    Examples:
      pki kek batch-7 --for programmer.pem --out batch-7.kek --dir /var/lib/pki
      pki kek batch-7 --trusted --for programmer.pem --out batch-7.kek --dir /var/lib/pki
    """
    if (recipient is None) != (out is None):
        raise RequestRefused("--for and --out belong together", hint="Give both, or none to keep the key inside.")
    wrapped = make_kek(directory, label, recipient.read_bytes() if recipient else b"", trusted=trusted)
    if wrapped and out:
        out.write_bytes(wrapped.key)
        click.echo(f"made {label}; {out} holds it under RSAES-OAEP with {wrapped.oaep_hash}")
    else:
        click.echo(f"made {label}; it stays in the token")

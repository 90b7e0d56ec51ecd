"""Commands about the certificates of units."""

from pathlib import Path

import click
from cryptography import x509

from pki.cli.common import DIRECTORY, ENVIRONMENT, ENVIRONMENTS, FILE, JSON, PROFILE, opened, opened_ledger, show
from pki.cms.seal import load_recipient
from pki.environment import Environment, Ship, Test
from pki.errors import RequestRefused
from pki.files import write_file
from pki.issue import Factory
from pki.ledger import EventKind, Owner, Quota, Reason
from pki.passwords import Kind, Sealed
from pki.roles import APPROVER, ISSUER, OFFICER, require


@click.command()
@click.argument("request", type=FILE)
@ENVIRONMENT
@click.option("--unit", required=True, help="Serial number: the common name of request and certificate.")
@click.option("--order", default="", help="Work order that it counts for; none counts for no quota.")
@click.option("--owner", default="", help="Organisation in the subject; by default the environment's owner.")
@PROFILE
@DIRECTORY
def issue(request: Path, environment: str, unit: str, directory: Path, **options: str) -> None:
    """Issue a certificate for a REQUEST.

    REQUEST is PKCS#10 in DER; the chain is printed as PEM. Only the key is taken from the request.

    \b
    Example:
      pki issue --environment test --unit AC22-000001 --dir /var/lib/pki request.der > chain.pem
    """
    with opened(directory) as factory:
        issuer = factory.issuer(ENVIRONMENTS[environment])
        key = issuer.adopt(unit, options["profile"], request.read_bytes(), unit, options["order"])
        click.echo(issuer.issue(key, options["owner"]).chain_pem, nl=False)


@click.command()
@click.option("--environment", type=click.Choice(sorted(ENVIRONMENTS)), help="Which hierarchy the unit belongs to.")
@click.option("--unit", help="Serial number, or the name of a station or service.")
@click.option("--part", help="Instead of a unit: a CA or TLS server of the ceremony, as ship-issuing.")
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), required=True, help="By RFC 5280.")
@click.option("--detail", required=True, help="What happened, for the ledger.")
@PROFILE
@DIRECTORY
def revoke(reason: str, detail: str, directory: Path, **options: str | None) -> None:
    """Revoke the certificate of a unit, CA or server.

    The next CRL and every OCSP answer from now on tell it.

    \b
    Examples:
      pki revoke --environment ship --unit AC22-000001 --reason keyCompromise --detail "case 17" --dir /var/lib/pki
      pki revoke --part ship-issuing --reason superseded --detail "replaced by ship-issuing-2" --dir /var/lib/pki
    """
    environment, unit, part = options["environment"], options["unit"], options["part"]
    with opened(directory) as factory:
        if part and not unit:
            serial = factory.revoke_part(part, Reason(reason), detail)
        elif unit and environment and not part:
            profile = str(options["profile"])
            serial = factory.revoke(ENVIRONMENTS[environment], unit, profile, Reason(reason), detail)
        else:
            raise click.UsageError("name --environment and --unit, or --part")
    click.echo(f"revoked certificate {serial} of {part or unit}\nNext: publish it with 'pki crl' ('--roots' for a CA).")


@click.command()
@click.argument("order", required=False)
@click.option("--units", type=click.IntRange(0, 10_000_000), help="How many units the order may build.")
@click.option("--rework", type=click.IntRange(0, 10_000_000), default=0, help="How many more for rework.")
@PROFILE
@DIRECTORY
@JSON
def quota(order: str | None, units: int | None, rework: int, profile: str, directory: Path, *, as_json: bool) -> None:
    """Show or set the quotas of work orders.

    A quota holds for test and for ship. Beyond it nothing is issued.

    \b
    Examples:
      pki quota --dir /var/lib/pki
      pki quota WO-1001 --units 500 --rework 10 --dir /var/lib/pki
    """
    with opened_ledger(directory) as (plan, ledger):
        if order is not None and units is not None:
            require(plan, OFFICER, APPROVER)
            for environment in (Test, Ship):
                ledger.grant(Quota(order, environment.name, profile, units, rework))
        found = [vars(one) | {"left": one.left} for one in ledger.quotas() if order in (None, one.work_order)]
    lines = ["{work_order} {environment} {profile}: {left} left of {units} and {rework}".format(**one) for one in found]
    show(found, "\n".join(lines) or "no work order has a quota", as_json=as_json)


@click.command()
@ENVIRONMENT
@click.option("--unit", required=True, help="Serial number.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), required=True, help="What it is for.")
@click.option("--for", "recipient", type=FILE, help="Certificate (PEM or DER) of who may open it.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="With --for: file for the CMS message.")
@click.option("--reason", default="", help="Why the unit gets another one than it has.")
@DIRECTORY
def password(
    environment: str, unit: str, recipient: Path | None, out: Path | None, directory: Path, **options: str
) -> None:
    """Make a unit's password, sealed for its recipient.

    It is drawn in the HSM and never shown; 'openssl cms -decrypt' with the recipient's key opens OUT. Asked again
    without a reason, the same message is written again. A password that the factory keeps, because its line made it, is
    sealed anew for the recipient, and stays the same. Without --for it is one that the factory keeps, such as the next
    one of a unit in work whose password leaked: its next run at a line writes it. A unit that was given its password
    and its certificate goes to rework for another one.

    \b
    Examples:
      pki password --environment ship --unit AC22-000001 --kind ocpp --for cpo.pem --out sealed.cms --dir /var/lib/pki
      pki password --environment ship --unit AC22-000001 --kind ocpp --reason "leaked, case 17" --dir /var/lib/pki
    """
    which = ENVIRONMENTS[environment], Kind(options["kind"])
    if (recipient is None) != (out is None):
        raise click.UsageError("--for and --out belong together")
    certificate = load_recipient(recipient.read_bytes()) if recipient else None
    with opened(directory) as factory:
        require(factory.plan, OFFICER, ISSUER)
        if options["reason"]:
            _demand_in_work(factory, unit, which)
        if certificate is None:
            known, message = factory.passwords.replace(unit, *which, options["reason"]), b""
        else:
            known, message = _sealed(factory, unit, which, certificate, options["reason"])
    if out:
        write_file(out, message)
    where = f"sealed in {out}" if out else "kept by the factory"
    click.echo(f"{known.kind} password, version {known.version}, of {unit}: {known.encoding}; {where}")


def _demand_in_work(factory: Factory, unit: str, which: tuple[type[Environment], Kind]) -> None:
    """Refuse another password for a unit that was finished with the one that the factory keeps: nobody could write it.

    Raises:
        RequestRefused: Its certificate is in it, and it has such a password.
    """
    environment, kind = which
    key = factory.ledger.current(Owner(unit, environment.name, "station"))
    if key and EventKind.INSTALLED in key.happened and factory.keeps_password(unit, environment, kind):
        hint = "Take it to rework at a line: with its next key it gets its next password."
        raise RequestRefused(f"{unit} was given its {environment.name} password, and stays with it", hint=hint)


def _sealed(
    factory: Factory, unit: str, which: tuple[type[Environment], Kind], recipient: x509.Certificate, reason: str
) -> tuple[Sealed, bytes]:
    passwords = factory.passwords
    known = passwords.current(unit, *which)
    if known and not reason and passwords.keeps(known):
        return known, passwords.reseal(unit, recipient, *which)
    if known is None or reason or known not in passwords.sealed_for(recipient):
        known = passwords.make(unit, *which, recipient, reason)
    return known, known.message

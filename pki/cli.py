"""The command `pki`: hold a ceremony, look after it, issue by hand.

Exit codes: 0 done, 1 a check failed or a request was refused, 2 usage or configuration, 3 the HSM is away.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from pki.ceremony import hold_ceremony
from pki.environment import Environment, Ship, Test
from pki.errors import KeystoreError, PkiError, ProfileError
from pki.issue import Factory, open_factory

ENVIRONMENTS: dict[str, type[Environment]] = {"test": Test, "ship": Ship}
DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("pki"),
    show_default=True,
    help="PKI directory, with secrets/hsm-pin in it (mode 0600) or that secret as a systemd credential.",
)


class _Group(click.Group):
    """Turns our errors into one sentence, the next step, and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PkiError as error:
            click.echo(f"Error: {error.message}\n{error.hint}", err=True)
            codes = {ProfileError: 2, KeystoreError: 3}
            sys.exit(codes.get(type(error), 1))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The factory's PKI: keys in the HSM, certificates by profile, a ledger of both."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@DIRECTORY
def ceremony(file: Path, directory: Path) -> None:
    r"""Make the keys and CAs that the reviewed FILE names; again, it changes nothing.

    \b
    Example:
      pki ceremony reviewed.toml --dir /var/lib/station/pki
    """
    done = hold_ceremony(file, directory)
    click.echo("\n".join(done) if done else "Nothing to do: the ceremony is complete.")


@main.command()
@DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(directory: Path, *, as_json: bool) -> None:
    r"""Check HSM, keys, certificates and ledger; exit 1 if something is wrong.

    \b
    Example:
      pki status --dir /var/lib/station/pki --json
    """
    factory = open_factory(directory)
    try:
        report = _report(factory)
    finally:
        factory.close()
    click.echo(json.dumps(report, indent=2) if as_json else _text(report))
    sys.exit(1 if report["problems"] else 0)


@main.command()
@click.argument("request", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--environment", type=click.Choice(sorted(ENVIRONMENTS)), required=True, help="Which CA signs.")
@click.option("--unit", required=True, help="Serial number: the common name of request and certificate.")
@click.option("--owner", default="", help="Organisation in the subject; by default the environment's owner.")
@DIRECTORY
def issue(request: Path, environment: str, unit: str, owner: str, directory: Path) -> None:
    r"""Issue a station certificate for a PKCS#10 REQUEST (DER) and print its chain as PEM.

    \b
    Example:
      pki issue --environment test --unit AC22-000001 request.der > chain.pem
    """
    factory = open_factory(directory)
    try:
        issuer = factory.issuer(ENVIRONMENTS[environment])
        key = issuer.adopt(unit, "station", request.read_bytes(), unit, "")
        click.echo(issuer.issue(key, owner).chain_pem, nl=False)
    finally:
        factory.close()


def _report(factory: Factory) -> dict[str, Any]:
    problems = factory.check()
    rows = [] if factory.ledger_problems() else factory.rows()
    states = Counter(f"{row.environment} {row.state}" for row in rows)
    ends = {name: f"{found.not_valid_after_utc:%Y-%m-%d}" for name, found in factory.certificates.items()}
    return {
        "token": factory.keystore.name,
        "problems": problems,
        "keys": dict(sorted(states.items())),
        "certificates": sum(row.certificate is not None for row in rows),
        "revoked": sum(row.revoked for row in rows),
        "valid_until": ends,
    }


def _text(report: dict[str, Any]) -> str:
    lines = [f"token         {report['token']}"]
    lines += [f"{name:<13} until {end}" for name, end in report["valid_until"].items()]
    lines += [f"keys          {count} {name}" for name, count in report["keys"].items()]
    lines += [f"certificates  {report['certificates']}, {report['revoked']} revoked"]
    lines += [f"PROBLEM       {problem}" for problem in report["problems"]] or ["all checks passed"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

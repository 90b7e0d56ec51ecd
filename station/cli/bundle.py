"""`station bundle`: release bundles, from a draft to what may be built, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.catalog.approvals import LONGEST_OVERRIDE
from station.catalog.signatures import Role
from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.config import load_station
from station.errors import ConfigError
from station.people import checked_reason
from station.people.roles import STOPPERS
from station.person import Person
from station.records import open_records

if TYPE_CHECKING:
    from station.releases import Assessment

ROLES = {role.word: role for role in Role}
MOST_HOURS = LONGEST_OVERRIDE.total_seconds() / 3600
KEY = click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="SSH key to sign with.")
SIGNATURE = click.option(
    "--signature", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Signature made elsewhere."
)


@click.group()
def bundle() -> None:
    """Release bundles: what may be built, on the word of its author and of others.

    A bundle holds a recipe with everything it names under one digest. It builds once its author and at least one
    other person signed it with their own SSH keys (a file, a FIDO2 token, or a PKCS#11 token through ssh-agent). Who
    may sign in which role stands in the station's file 'approvers', one person and key a line:

    \b
      NAME namespaces="author@charger-station,approver@charger-station" ssh-ed25519 AAAA...

    \b
    From a draft to an order:
      station bundle create ac22-eu --author NAME --key ~/.ssh/id_ed25519
      station bundle diff ac22-eu-r2                       what an approver reads
      station bundle approve ac22-eu-r2 --key KEY          by somebody else
      station order create WO-7 --bundle ac22-eu-r2 ...

    \b
    An auditor needs nothing of ours:
      sha256sum bundle.json                                the digest in orders, records and passports
      ssh-keygen -Y verify -f approvers -I NAME -n approver@charger-station -s approver-NAME.sig < bundle.json
    """


@bundle.command("create")
@click.argument("recipe")
@DIRECTORY
@click.option("--author", required=True, help="Who made it, by the name in the file of approvers.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 731), help="How long it may build.")
@KEY
@exit_codes
def bundle_create(recipe: str, directory: Path, author: str, days: int, key: Path | None) -> None:
    """Freeze a recipe with everything it names as the next revision of its bundle."""
    from station.catalog.bundle import BundleOptions, make_bundle, write_bundle
    from station.catalog.signatures import how_to_sign
    from station.steps import STEPS

    config = load_station(directory)
    made = make_bundle(config.catalog, BundleOptions(recipe, author, days), STEPS)
    path = write_bundle(made)
    click.echo(f"{made.name}  sha256 {made.digest}  {path}")
    if key is not None:
        _sign(directory, made.name, Role.AUTHOR, key, None)
    else:
        click.echo(f"Sign it: station bundle approve {made.name} --as author --key KEY")
        click.echo(f"     or: {how_to_sign(path, Role.AUTHOR)}")


@bundle.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def bundle_list(directory: Path, *, as_json: bool) -> None:
    """List bundles, and whether each may build."""
    from station.releases import assess_all

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = assess_all(config, records)
    if as_json:
        print_json([_told(one) for one in found])
        return
    for one in found:
        click.echo(f"{one.name:20} {one.judgement.state:11} {one.judgement.sentence}")


@bundle.command("show")
@click.argument("name")
@DIRECTORY
@AS_JSON
@exit_codes
def bundle_show(name: str, directory: Path, *, as_json: bool) -> None:
    """Show what a bundle holds, who signed it, and whether it may build."""
    one = _assessed(directory, name)
    if as_json:
        print_json(_told(one))
        return
    _say(one)
    if one.bundle is not None:
        for path in (*one.bundle.content.files, *one.bundle.content.binaries):
            click.echo(f"  {path}")


@bundle.command("check")
@click.argument("name")
@DIRECTORY
@exit_codes
def bundle_check(name: str, directory: Path) -> None:
    """Check signatures, expiry, withdrawals and firmware files; exit code 2 if the bundle may not build."""
    from station.releases import approved

    config = load_station(directory)
    _say(_assessed(directory, name))
    with open_records(config.database_url, config.station.id) as records:
        approved(config, records, name)


@bundle.command("diff")
@click.argument("name")
@click.argument("other", default="")
@DIRECTORY
@exit_codes
def bundle_diff(name: str, other: str, directory: Path) -> None:
    """Show what changed from OTHER, or from the revision before, to a bundle."""
    from station.catalog.bundle import as_text, differences, load_bundle
    from station.releases import before

    config = load_station(directory)
    this = load_bundle(config.catalog, name)
    with open_records(config.database_url, config.station.id) as records:
        earlier = load_bundle(config.catalog, other) if other else before(config, records, this)
    click.echo(as_text(differences(earlier, this)))


@bundle.command("approve")
@click.argument("name")
@DIRECTORY
@click.option("--as", "role", default="approver", show_default=True, type=click.Choice(["author", "approver"]))
@KEY
@SIGNATURE
@exit_codes
def bundle_approve(name: str, directory: Path, role: str, key: Path | None, signature: Path | None) -> None:
    """Sign a bundle, or take a signature that somebody made on another computer."""
    _sign(directory, name, ROLES[role], key, signature)


@bundle.command("withdraw")
@click.argument("name")
@DIRECTORY
@click.option("--reason", required=True, help="Why; stands in the records for good.")
@acting(*STOPPERS)
def bundle_withdraw(name: str, directory: Path, reason: str, person: Person) -> None:
    """Stop a bundle for good: no run begins, no unit in work is released. List the units that have it."""
    from station.releases import digest_of, effect, withdraw

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        units = withdraw(records, digest_of(config, records, name), person.id, checked_reason(reason))
    click.echo(f"{name} is withdrawn. {effect(units)}")
    for unit in units:
        click.echo(f"  {unit.serial:25} {unit.state:10} {unit.work_order}")


@bundle.command("override")
@click.argument("name")
@DIRECTORY
@click.option("--as", "role", required=True, type=click.Choice(["line", "quality"]), help="For whom you answer.")
@click.option("--reason", default="", help="Begin an override: why it can't wait for approvals.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1, MOST_HOURS), help="How long.")
@KEY
@SIGNATURE
@exit_codes
def bundle_override(name: str, directory: Path, **given: object) -> None:
    """Let a bundle build for up to three days without its approvals: signed by two people, shown in every passport.

    \b
    Example:
      station bundle override ac22-eu-r2 --as line --key KEY --reason "hotfix, approver ill" --hours 24
      station bundle override ac22-eu-r2 --as quality --key KEY
    """
    from station.catalog.bundle import load_bundle
    from station.signing import begin_override

    config = load_station(directory)
    if given["reason"]:
        begin_override(load_bundle(config.catalog, name), str(given["reason"]), float(str(given["hours"])))
    _sign(directory, name, ROLES[f"override-{given['role']}"], given["key"], given["signature"])  # type: ignore[arg-type]


def _sign(directory: Path, name: str, role: Role, key: Path | None, signature: Path | None) -> None:
    """Add a signature, record the bundle if it may build now, and tell how it stands."""
    from station.catalog.bundle import load_bundle
    from station.catalog.signatures import how_to_sign, load_approvers, sign
    from station.releases import keep
    from station.signing import document_for, keep_signature, path_for

    config = load_station(directory)
    found = load_bundle(config.catalog, name)
    if key is None and signature is None:
        hint = f"Or sign elsewhere: {how_to_sign(path_for(found, role), role)}"
        raise ConfigError("a signature needs --key or --signature", hint=hint)
    raw = sign(document_for(found, role), key, role) if key else _bytes(signature)
    person = keep_signature(found, raw, role, load_approvers(config.approvers))
    click.echo(f"{name} is signed by {person} as {role.word}.")
    one = _assessed(directory, name)
    if one.judgement.usable:
        with open_records(config.database_url, config.station.id) as records:
            keep(config, records, found)
    _say(one)


def _bytes(path: Path | None) -> bytes:
    with (path or Path()).open("rb") as file:
        return file.read(65_536)


def _assessed(directory: Path, name: str) -> "Assessment":
    from station.releases import assess

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        return assess(config, records, name)


def _say(one: "Assessment") -> None:
    from station.catalog.bundle import as_text

    click.echo(f"{one.name}: {one.judgement.state}. {one.judgement.sentence}")
    if one.bundle is not None:
        content = one.bundle.content
        click.echo(f"  sha256 {one.bundle.digest}, made {content.created} by {content.author}, until {content.expires}")
    for problem in one.judgement.problems:
        click.echo(f"  does not count: {problem}")
    if one.changes:
        click.echo(as_text(one.changes))


def _told(one: "Assessment") -> dict[str, object]:
    """Return a bundle for scripts."""
    told: dict[str, object] = {
        "name": one.name,
        "state": one.judgement.state,
        "sentence": one.judgement.sentence,
        "approval": asdict(one.judgement.approval),
        "problems": one.judgement.problems,
    }
    if one.bundle is not None:
        content = one.bundle.content
        told |= {"digest": one.bundle.digest, "previous": content.previous, "recipe": content.recipe}
        binaries = {path: asdict(pin) for path, pin in content.binaries.items()}
        told |= {"files": sorted(content.files), "binaries": binaries}
    return told

"""`station firmware`: releases that may be written, what they consist of, and what may ship no longer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from station.catalog.firmware import Release, load_release
from station.catalog.firmware_manifest import VERSION
from station.catalog.firmware_store import RELEASES, Judged, add_release, judge_release, newest_version
from station.catalog.restrictions import Built, Restriction, RestrictionKind, refusal_of
from station.catalog.source import Folder
from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.config import load_station
from station.errors import ConfigError
from station.people import checked_reason
from station.people.roles import STOPPERS
from station.person import Person
from station.records import open_records
from station.records.rows import AffectedUnit
from station.records.values import AS_RELEASED, FINAL, UnitState
from station.strict import nearest

REASON = click.option("--reason", required=True, help="Why; it is shown wherever this stops something.")
BY_STATE = {
    "in work": (UnitState.RESERVED, UnitState.REWORK),
    "released": AS_RELEASED,
    "taken back or at their end": (UnitState.RETURNED, *FINAL),
}
"""Headings of units that a restriction concerns -> their states."""


@click.group()
def firmware() -> None:
    """Firmware releases: sets that were tested together, with signatures, SBOMs and the oldest that may ship.

    \b
    Examples:
      station firmware add ~/releases/ac22-1.4.0      judge all files, then copy them into the catalogue
      station firmware show ac22-1.4.0                every member with version, digest and SBOM
      station firmware withdraw ac22-1.3.0 --reason "contactor may weld"
      station firmware minimum ac22 1.4.0 --reason "CVE in the TLS library"
    """


@firmware.command("add")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@DIRECTORY
@AS_JSON
@exit_codes
def firmware_add(folder: Path, directory: Path, *, as_json: bool) -> None:
    """Judge the release in FOLDER and copy it into the catalogue; only what its release.toml names is copied.

    Signatures, digests, versions, hardware, anti-rollback counters, configuration schema and SBOMs are checked; exit
    code 2 if anything is wrong, and nothing is copied then. The same release again changes nothing.

    \b
    Example:
      station firmware add ~/releases/dc60-2.1.0 --dir line3
    """
    judged, new = add_release(load_station(directory).catalog, folder)
    if as_json:
        print_json(_facts(judged) | {"added": new})
    else:
        click.echo(f"Firmware {judged.release.name} {'is in the catalogue now' if new else 'was in the catalogue'}.")


@firmware.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def firmware_list(directory: Path, *, as_json: bool) -> None:
    """List the releases of the catalogue with what stops them.

    \b
    Example:
      station firmware list --json | jq '.[] | select(.stopped)'
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        restrictions = records.restrictions()
    rows = [_row(config.catalog, name, restrictions) for name in Folder(config.catalog).names(RELEASES)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:24} {row['version']:12} {', '.join(row['products']):30} {row['stopped']}".rstrip())


@firmware.command("show")
@click.argument("name")
@DIRECTORY
@AS_JSON
@exit_codes
def firmware_show(name: str, directory: Path, *, as_json: bool) -> None:
    """Show a release: every member with version, counter, digests and SBOM; all files are judged anew.

    \b
    Example:
      station firmware show dc60-2.1.0
    """
    config = load_station(directory)
    _require_known(config.catalog, name)
    judged = judge_release(config.catalog, name)
    with open_records(config.database_url, config.station.id) as records:
        stopped = _stopped(judged.release, records.restrictions())
    if as_json:
        print_json(_facts(judged) | {"stopped": stopped})
    else:
        click.echo("\n".join(_lines(judged, stopped)))


@firmware.command("withdraw")
@click.argument("name")
@REASON
@DIRECTORY
@AS_JSON
@acting(*STOPPERS)
def firmware_withdraw(name: str, reason: str, directory: Path, person: Person, *, as_json: bool) -> None:
    """Withdraw a release for good: it is written no longer, and units that have it are not released any more.

    Lists the units that have it, by what became of them. It can't be taken back; a better release gets a new version.

    \b
    Example:
      station firmware withdraw ac22-1.3.0 --reason "contactor may weld" --json
    """
    _require_words(name)
    withdrawal = Restriction(RestrictionKind.FIRMWARE, name, reason=checked_reason(reason), who=person.id)
    _restrict(directory, withdrawal, as_json=as_json)


@firmware.command("minimum")
@click.argument("product")
@click.argument("version")
@REASON
@DIRECTORY
@AS_JSON
@acting(*STOPPERS)
def firmware_minimum(
    product: str, version: str, reason: str, directory: Path, person: Person, *, as_json: bool
) -> None:
    """Set the oldest firmware with which a product may ship; it can be raised, never lowered.

    Checked before a unit is flashed and again when it is released. Lists the units that fall below it.

    \b
    Example:
      station firmware minimum ac22 1.4.0 --reason "CVE in the TLS library"
    """
    _require_words(product)
    if not VERSION.fullmatch(version):
        raise ConfigError(f"'{version}' is not of the form 1.2.3 or 1.2.3+4", hint="Correct the version.")
    minimum = Restriction(RestrictionKind.MINIMUM, product, version, checked_reason(reason), person.id)
    newest = newest_version(load_station(directory).catalog, product)
    if not newest or refusal_of(Built("", product, "", newest), [minimum]):
        raise ConfigError(
            f"the newest firmware for product '{product}' in the catalogue is {newest or 'none'}; "
            f"with a minimum of {version} nothing could ship",
            hint="Add the newer release first, or withdraw the old one to stop the product.",
        )
    _restrict(directory, minimum, as_json=as_json)


def _restrict(directory: Path, restriction: Restriction, *, as_json: bool) -> None:
    """Record a restriction and tell which units it concerns."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        units = records.affected(restriction)
        if restriction.kind is RestrictionKind.FIRMWARE and not units:
            _require_known(config.catalog, restriction.subject)
        recorded = records.restrict(restriction)
    if as_json:
        print_json({"restriction": recorded, "units": units})
        return
    click.echo("\n".join(_affected_lines(units)))


def _affected_lines(units: Iterable[AffectedUnit]) -> Iterable[str]:
    listed = tuple(units)
    for title, states in BY_STATE.items():
        rows = [unit for unit in listed if unit.state in states]
        yield f"{len(rows)} unit(s) {title}{':' if rows else '.'}"
        yield from (f"  {unit.serial:26} {unit.state:14} {unit.work_order:16} {unit.firmware}" for unit in rows)


def _require_words(*words: str) -> None:
    if not all(word.strip() and word.isprintable() for word in words):
        raise ConfigError("a name must be printable text", hint="Correct the name.")


def _require_known(catalog: Path, name: str) -> None:
    known = Folder(catalog).names(RELEASES)
    if name not in known:
        message = f"there is no firmware release '{name}' in the catalogue{nearest(name, list(known)) if known else ''}"
        raise ConfigError(message, hint="Correct the name; 'station firmware list' shows them.")


def _stopped(release: Release, restrictions: Iterable[Restriction]) -> str:
    """Return why a release may ship no longer, for any of its products, or nothing."""
    listed = tuple(restrictions)
    built = (Built("", product, release.name, release.version) for product in release.products)
    return next((reason for one in built if (reason := refusal_of(one, listed))), "")


def _row(catalog: Path, name: str, restrictions: Iterable[Restriction]) -> dict[str, Any]:
    try:
        release = load_release(Folder(catalog), name)
    except ConfigError as error:
        return {"name": name, "version": "", "products": [], "stopped": f"can't be read: {error.message}"}
    stopped = _stopped(release, restrictions)
    return {"name": name, "version": release.version, "products": list(release.products), "stopped": stopped}


def _facts(judged: Judged) -> dict[str, object]:
    """Return a release as scripts read it."""
    release = judged.release
    images = [
        {
            "role": rule.role,
            "number": rule.number,
            "version": rule.version,
            "file": rule.path.name,
            "size": rule.size,
            "sha256": rule.sha256,
            "digest": image.digest.hex(),
            "key_sha256": rule.key_sha256,
            "hardware": list(rule.hardware),
            "security_counter": image.security_counter,
            "minimum_version": rule.minimum_version,
            "encrypted": image.encrypted,
            "sbom": rule.sbom,
        }
        for rule, image in judged.images
    ]
    return {
        "name": release.name,
        "version": release.version,
        "products": list(release.products),
        "digest": release.digest,
        "configuration_schema": list(release.schema),
        "images": images,
        "reported": release.reported,
        "rollback": release.rollback.version if release.rollback else None,
    }


def _lines(judged: Judged, stopped: str) -> Iterable[str]:
    release = judged.release
    yield f"{release.name}  version {release.version}  for {', '.join(release.products)}"
    yield f"digest {release.digest}"
    yield f"configuration schema {release.schema[0]} to {release.schema[1]}"
    for rule, image in judged.images:
        sealed = "  encrypted: only the device can compute its digest" if image.encrypted else ""
        yield f"  {rule.role:12} {rule.version:12} image {rule.number}  counter {image.security_counter}{sealed}"
        yield f"    file   {rule.path.name}  {rule.size} bytes  SHA-256 {rule.sha256}"
        yield f"    digest {image.digest.hex()}  key {rule.key_sha256[:16]}…  {', '.join(rule.hardware)}"
        if rule.sbom is not None:
            yield f"    SBOM   CycloneDX {rule.sbom.spec}, {len(rule.sbom.components)} parts, {rule.sbom.sha256}"
    for member in release.reported:
        yield f"  {member.role:12} {member.version:12} not written; the device tells it"
    yield f"  rollback     {release.rollback.version if release.rollback else 'none: the way back can not be proven'}"
    yield f"STOPPED: {stopped}" if stopped else "It may be built."

"""`station passport`: show, build and verify the documents that prove what a unit is."""

from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.cli.proofs import ANCHOR, FILE, anchors_of, tell_proof
from station.config import StationConfig, load_station
from station.errors import ConfigError, Defect, UnitError
from station.records import PassportRow, open_records

LANGUAGE = click.option("--language", default="", help="Language of the pages; the product's by default.")


@click.group()
def passport() -> None:
    """The device passport of a released unit, and its commissioning sheet."""


@passport.command()
@click.argument("serial")
@DIRECTORY
@AS_JSON
@exit_codes
def show(serial: str, directory: Path, *, as_json: bool) -> None:
    """Print the latest passport of a unit.

    \b
    Examples:
      station passport show AC22-000017
      station passport show AC22-000017 --json > passport.json
    """
    from station.documents.passport import read_passport

    row = _row(load_station(directory), serial)
    if as_json:
        click.echo(row.document, nl=False)
        return
    content = read_passport(row.document)
    click.echo(f"{content['unit']['vendor']} {content['unit']['model']} {serial}, revision {row.revision}")
    click.echo(f"released {content['production']['released_at']} by station {content['production']['station']}")
    click.echo(f"passport.json SHA-256 {row.sha256}, signed by {row.signer}")
    if "replaces" in content["production"]:
        click.echo(f"replaces passport {content['production']['replaces']}")


@passport.command()
@click.argument("serial")
@DIRECTORY
@LANGUAGE
@click.option("--sheet", is_flag=True, help="Build the commissioning sheet instead.")
@click.option("--output", type=FILE, help="PDF; SERIAL.pdf here by default.")
@exit_codes
def build(serial: str, directory: Path, language: str, output: Path | None, *, sheet: bool) -> None:
    """Build a unit's passport as signed PDF, with passport.json, its signature and the log's proof beside it.

    \b
    Examples:
      station passport build AC22-000017 --language de
      station passport build AC22-000017 --sheet --output sheet.pdf
    """
    from station.documents.brand import load_brand
    from station.documents.commissioning import render_sheet
    from station.documents.passport import read_passport
    from station.documents.passport_pdf import Edition, render_passport, sign_passport
    from station.factory import opened_factory

    config = load_station(directory)
    row = _row(config, serial)
    product = read_passport(row.document)["unit"]["product"]
    edition = Edition(language, load_brand(config.catalog / "products" / product))
    if sheet:
        pdf = render_sheet(row.document, edition)
    else:
        proof = _log_proof(config, serial)
        with opened_factory(config) as factory:
            drawn = render_passport(row.document, row.signature, row.signer, edition, proof)
            pdf = sign_passport(drawn, factory.record_certificate, factory.sign)
    target = output or Path(f"{serial}-sheet.pdf" if sheet else f"{serial}.pdf")
    files = {target: pdf}
    if not sheet:
        files |= {target.with_suffix(".json"): row.document, target.with_suffix(".json.sig"): row.signature}
        files |= {target.with_suffix(".json.log"): proof} if proof else {}
    _write(files)


def _log_proof(config: StationConfig, serial: str) -> bytes:
    """Return the proof that the passport stands in the log, by its newest checkpoint; nothing before there is one."""
    from station.audit.proof import proof

    with open_records(config.database_url, config.station.id) as records:
        return proof(records, serial) or b""


def _write(files: dict[Path, bytes]) -> None:
    for path, content in files.items():
        try:
            path.write_bytes(content)
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {error.strerror}", hint="Choose another place.") from error
        click.echo(str(path))


@passport.command()
@click.argument("serial")
@DIRECTORY
@click.option("--out", "target", type=FILE, help="AASX; SERIAL.aasx by default.")
@exit_codes
def nameplate(serial: str, directory: Path, target: Path | None) -> None:
    """Write a unit's digital nameplate (IDTA 02006) as AASX, made of its signed passport.

    Who made it and where stands in `nameplate.toml` beside the product.

    \b
    Examples:
      station passport nameplate AC22-000017
      station passport nameplate AC22-000017 --out nameplates/AC22-000017.aasx
    """
    from station.documents.brand import load_brand
    from station.documents.nameplate import render_nameplate
    from station.documents.nameplate_maker import load_maker
    from station.documents.passport import read_passport

    config = load_station(directory)
    row = _row(config, serial)
    product = config.catalog / "products" / read_passport(row.document)["unit"]["product"]
    brand, (maker, pictures) = load_brand(product), load_maker(product)
    _write(
        {target or Path(f"{serial}.aasx"): render_nameplate(row.document, maker, pictures, brand.resolver, brand.logo)}
    )


@passport.command()
@click.argument("file", type=FILE)
@DIRECTORY
@AS_JSON
@ANCHOR
@click.option("--signature", type=FILE, help="Signature of a .json; FILE.sig by default.")
@click.option("--log-key", type=FILE, help="Certificate of the factory's log, PEM.")
@exit_codes
def verify(
    file: Path, directory: Path, anchor: Path | None, signature: Path | None, log_key: Path | None, *, as_json: bool
) -> None:
    """Judge a passport offline, and say what that proved and what not.

    Needs no station: FILE and the factory's record certificate are enough; with the certificate of its log (audit.pem)
    it is also judged whether the passport stands there. Exit codes: 0 it is what it says, 1 it is not, 2 a file can't
    be read.

    \b
    Examples:
      station passport verify AC22-000017.pdf --anchor records.pem
      station passport verify AC22-000017.pdf --anchor records.pem --log-key audit.pem
      station passport verify passport.json --anchor records.pem
    """
    from station.documents.passport_proof import MAX_FILE, InLog, prove_json, prove_pdf

    anchors = anchors_of(anchor, directory)
    key, content = _log_key(log_key, None if anchor else directory), _read(file, MAX_FILE)
    if content.lstrip()[:1] == b"{" or file.suffix == ".json":
        signed, beside = signature or file.with_name(f"{file.name}.sig"), file.with_name(f"{file.name}.log")
        log = InLog(_read(beside, MAX_FILE) if beside.exists() else b"", key)
        proof = prove_json(content, _read(signed, MAX_FILE), anchors, log)
    else:
        proof = prove_pdf(content, anchors, key)
    if as_json:
        print_json({"serial": proof.passport["unit"]["serial"], "proved": proof.proved, "not_proved": proof.not_proved})
        return
    tell_proof(proof.proved, proof.not_proved)


def _log_key(given: Path | None, directory: Path | None) -> bytes:
    """Return the key of the log that was named, or of the station's own factory; nothing where there is neither."""
    from station.audit.key import audit_certificate, read_anchor

    path = given or (audit_certificate(load_station(directory)) if directory else None)
    return read_anchor(path) if path and (given or path.exists()) else b""


def _read(path: Path, most: int) -> bytes:
    """Return a file's content, one byte more than is allowed where it is too long."""
    try:
        with path.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check the name of the file.") from error


def _row(config: StationConfig, serial: str) -> PassportRow:
    with open_records(config.database_url, config.station.id) as records:
        row = records.passport(serial)
    if row is None:
        raise UnitError(
            Defect.WRONG_UNIT, f"There is no passport of {serial} in these records.", hint="Release it first."
        )
    return row

"""`prove_batch` believes nothing but the record certificate: a flipped byte anywhere is found, tricks are refused."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785

from fixtures.passports import SampleRecords
from station.batches import MadeBatch
from station.batches.container import Writer, entry
from station.batches.layout import MOST_DIRECTORY
from station.batches.sealed import open_sealed
from station.batches.signer import Signers
from station.errors import ConfigError, StationError
from tests.batches.conftest import Office

Mixed = tuple[Office, MadeBatch]


def test_it_says_in_words_what_it_proved_and_what_not(mixed: Mixed) -> None:
    office, made = mixed
    proof = office.prove(made.path)
    told = "\n".join(proof.proved)
    assert f"batch {made.row.name} of order WO-1001" in told
    assert "3 units; each has its signed passport" in told
    assert any("revoked since" in line for line in proof.not_proved)
    assert any("factory's network" in line for line in proof.not_proved)


def test_every_flipped_byte_of_the_end_is_found(mixed: Mixed) -> None:
    """Headers, manifest, signature and table of contents: one byte in five."""
    found = missed(mixed, lambda size: range(size - 9000, size, 5))
    assert found == []


def test_flipped_bytes_anywhere_are_found(mixed: Mixed) -> None:
    """Also those that unpack to the same content, such as the padding of a pressed block."""
    found = missed(mixed, lambda size: random.Random(7).sample(range(size), 800))
    assert found == []


def missed(mixed: Mixed, places: Callable[[int], object]) -> list[int]:
    office, made = mixed
    raw, signers, chance = made.path.read_bytes(), Signers(office.anchors), random.Random(11)
    wrong = []
    for place in places(len(raw)):  # type: ignore[attr-defined]
        other = bytearray(raw)
        other[place] ^= 1 << chance.randrange(8)
        try:
            open_sealed(io.BytesIO(bytes(other)), signers)
        except StationError:
            continue
        wrong.append(place)
    return wrong


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: b"PK" + raw, lambda _: b""]
)
def test_cut_longer_and_empty_files_are_refused(mixed: Mixed, change: Callable[[bytes], bytes]) -> None:
    office, made = mixed
    with pytest.raises(StationError, match="batch: "):
        open_sealed(io.BytesIO(change(made.path.read_bytes())), Signers(office.anchors))


def test_another_factorys_anchor_proves_nothing(mixed: Mixed) -> None:
    from cryptography.x509 import load_pem_x509_certificates

    other = load_pem_x509_certificates(SampleRecords().certificate.encode())
    with pytest.raises(StationError, match="not signed by the trust anchor"):
        open_sealed(io.BytesIO(mixed[1].path.read_bytes()), Signers(other))


def test_a_file_that_is_not_there_is_a_mistake_of_the_command(mixed: Mixed, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        mixed[0].prove(tmp_path / "none.zip")


def test_whom_secrets_are_sealed_for_is_the_word_of_the_factory(filled: Office) -> None:
    """No sealed secret is opened here, so nothing more is said of them."""
    proof = filled.prove(filled.make(keys={"sealed_for": "a" * 64}).path)
    (said,) = [sentence for sentence in proof.proved if "sealed" in sentence]
    assert said == f"The factory says that secrets are sealed for certificate SHA-256 {'a' * 64}."


def forged(office: Office, *names: str, change: Callable[[dict[str, object]], None] = lambda _: None) -> bytes:
    """Return an archive that the factory's own key signed, with these entries and a changed manifest."""
    written = io.BytesIO()
    writer = Writer(written)
    for name in names:
        writer.add(name, b"x")
    digest, size = writer.written()
    manifest: dict[str, object] = {
        "schema": "charger-station/batch", "version": 1, "made_at": "2026-11-21T00:00:00.000Z",
        "before": {"sha256": digest, "bytes": size}, "signer_sha256": "",
        "files": [vars(each) for each in writer.listed],
    }  # fmt: skip
    change(manifest)
    document = rfc8785.dumps(manifest)
    writer.close(document, office.plant.records.sign(document))
    return written.getvalue()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda manifest: manifest.update(version=2), "version 2 is not known"),
        (lambda manifest: manifest.update(files=[]), "lists other entries"),
        (lambda manifest: manifest.update(made_at="2051-01-01T00:00:00.000Z"), "outside the validity"),
        (lambda manifest: manifest.update(before={"sha256": "", "bytes": 1}), "changed after it was signed"),
        (lambda manifest: manifest.pop("files"), "no batch, or it is damaged"),
        (lambda manifest: None, "names another signer"),
    ],
)
def test_signed_nonsense_is_refused(mixed: Mixed, change: Callable[[dict[str, object]], None], why: str) -> None:
    raw = forged(mixed[0], "README.txt", change=change)
    with pytest.raises(StationError, match=why):
        open_sealed(io.BytesIO(raw), Signers(mixed[0].anchors))


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a\\b", "C:x", "a/../b", "a//b", ".hidden", "a b", "ü", "x" * 200]
)
def test_names_that_lead_elsewhere_are_refused(mixed: Mixed, name: str) -> None:
    with pytest.raises(ValueError, match="can't be a name"):
        entry(name)
    with pytest.raises(StationError, match="name that none may have"):
        open_sealed(io.BytesIO(packed([(name, b"x"), *tail()])), Signers(mixed[0].anchors))


def tail() -> list[tuple[str, bytes]]:
    return [("manifest.json", b"{}"), ("manifest.sig", b"x")]


def packed(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return written.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(mixed: Mixed) -> None:
    """Tools disagree on which of the two counts."""
    raw = packed([("units.json", b"a"), ("units.json", b"b"), *tail()])
    with pytest.raises(StationError, match="two entries with one name"):
        open_sealed(io.BytesIO(raw), Signers(mixed[0].anchors))


def test_a_bomb_is_refused_before_it_is_unpacked(mixed: Mixed) -> None:
    """Nothing that a stranger packed is unpacked; the manifest itself may not be pressed."""
    bomb = packed([("manifest.json", b" " * 50_000_000), ("manifest.sig", b"x")], zipfile.ZIP_DEFLATED)
    with pytest.raises(StationError, match=r"changed: an entry|is pressed"):
        open_sealed(io.BytesIO(bomb), Signers(mixed[0].anchors))


def test_a_huge_table_of_contents_is_refused_before_it_is_read(mixed: Mixed) -> None:
    """Also where only the wide form of the end says so."""
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, MOST_DIRECTORY + 1, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 90, 0, 0)
    with pytest.raises(StationError, match=r"more than .* entries"):
        open_sealed(io.BytesIO(b"\0" * 64 + wide + locator + end), Signers(mixed[0].anchors))


class Lying:
    """Makes archives in which the factory's key signed something that its parts do not bear out."""

    def __init__(self, mixed: Mixed, folder: Path) -> None:
        self.office, self.made = mixed
        self.path = folder / "lie.zip"

    def write(self, change: Callable[[str, bytes], bytes | None]) -> Path:
        with zipfile.ZipFile(self.made.path) as archive, self.path.open("w+b") as file:
            writer = Writer(file)
            for name in archive.namelist()[:-2]:
                content = change(name, archive.read(name))
                if content is not None:
                    writer.add(name, content)
            digest, size = writer.written()
            manifest = json.loads(archive.read("manifest.json"))
            manifest |= {"before": {"sha256": digest, "bytes": size}, "files": [vars(each) for each in writer.listed]}
            document = rfc8785.dumps(manifest)
            writer.close(document, self.office.plant.records.sign(document))
        return self.path


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        (
            "units.json",
            b'"firmware":{"sha256":"9f',
            b'"firmware":{"sha256":"00',
            "says of AC22-000001 what its passport",
        ),
        ("units.json", b'"batch":"WO', b'"batch":"XX', "of another batch"),
        ("units/AC22-000001/passport.json", b"AC22", b"AC23", "passport of AC22-000001: it was not signed"),
        ("units.csv", b"AC22-000002", b"AC22-000009", "not made as a batch"),
        ("units/AC22-000002/certificate.pem", b"", None, "certificate.pem is missing"),
        ("chains/roots.pem", b"", None, "roots.pem is missing"),
    ],
)
def test_parts_that_disagree_are_found(
    mixed: Mixed, tmp_path: Path, name: str, old: bytes, new: bytes | None, why: str
) -> None:
    """Even if the factory's own key signed the whole."""

    def change(found: str, content: bytes) -> bytes | None:
        return content if found != name else None if new is None else content.replace(old, new, 1)

    path = Lying(mixed, tmp_path).write(change)
    with pytest.raises(StationError, match=why):
        mixed[0].prove(path)


def test_a_passport_and_certificate_of_another_unit_are_found(mixed: Mixed, tmp_path: Path) -> None:
    with zipfile.ZipFile(mixed[1].path) as archive:
        other = {part: archive.read(f"units/AC22-000002/{part}") for part in ("passport.json", "passport.json.sig")}
        chain = archive.read("units/AC22-000002/certificate.pem")

    def swapped(name: str, content: bytes) -> bytes:
        return other.get(name.removeprefix("units/AC22-000001/"), content)

    with pytest.raises(StationError, match="AC22-000001 is another unit's"):
        mixed[0].prove(Lying(mixed, tmp_path).write(swapped))
    with pytest.raises(StationError, match="certificate of AC22-000001 is another"):
        mixed[0].prove(Lying(mixed, tmp_path).write(lambda n, c: chain if n.endswith("000001/certificate.pem") else c))

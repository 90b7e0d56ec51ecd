"""Who was given an export finds out offline whether it is whole, and the factory's (F-M7)."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fixtures.passports import SampleRecords
from pki.log import Checkpoint, sign_checkpoint
from station.errors import ConfigError, StationError
from station.records import LogHead
from station.trace.export import ExportSet, Kept, Signer, Wanted, make_export, prove_export
from station.trace.export.envelope import sealed, statement_of
from station.trace.export.manifest import PREDICATE
from station.trace.export.partial import manifest_of
from tests.trace.export_world import Exporter, exporter


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Yield records that tests only read."""
    with exporter(tmp_path_factory.mktemp("factory")) as made:
        yield made


@pytest.fixture
def out(factory: Exporter, tmp_path: Path) -> Exporter:
    """Return the same records with an empty folder to export into."""
    return Exporter(factory.plant, factory.records, tmp_path)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_is_proven_is_told_in_words(out: Exporter, form: str) -> None:
    made = out.make(form, set=ExportSet.MEASUREMENTS)
    told = " ".join(out.prove(made.path).proved)
    assert f"{made.rows} rows of 'measurements', counted; their SHA-256 in any format is {made.rows_sha256}" in told
    assert ("CN=Example Chargers Records" in told, "by qa-1" in told) == (True, True)


def test_another_name_and_another_manifest_place_are_told_not_refused(out: Exporter) -> None:
    made = out.make("csv")
    moved = made.path.rename(out.folder / "october.csv")
    proof = prove_export(moved, out.anchors, manifest_of(made.path))
    assert "'export.csv', under another name now" in proof.proved[0]
    with pytest.raises(ConfigError, match=r"october.csv.manifest.json"):
        out.prove(moved)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "xlsx"])
def test_any_changed_byte_and_any_cut_is_found(out: Exporter, form: str) -> None:
    path = out.make(form).path
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StationError, match="changed after it was signed"):
            out.prove(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(StationError, match="changed after it was signed"):
        out.prove(path)


def test_another_factorys_export_is_refused(out: Exporter) -> None:
    stranger = SampleRecords()
    signer = Signer(stranger.sign, stranger.certificate)
    made = make_export(out.records, signer, Wanted("csv", "qa-1"), out.folder / "export.csv")
    with pytest.raises(StationError, match="not signed by the trust anchor"):
        out.prove(made.path)


def _payload(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(envelope: bytes) -> bytes:
        content = json.loads(envelope)
        statement = json.loads(base64.b64decode(content["payload"]))
        change(statement)
        content["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
        return json.dumps(content).encode()

    return changed


@pytest.mark.parametrize(
    "forge",
    [
        _payload(lambda told: told["predicate"].update(rows=7)),
        _payload(lambda told: told["subject"][0].update(name="other.csv")),
        lambda _: b"",
        lambda _: b"[" * 100_000,
        lambda _: b"\xff\x00",
        lambda _: b'{"payload": "AA==", "payloadType": "x", "signatures": "none"}',
        lambda _: b'{"payload": "AA==", "payloadType": "application/vnd.in-toto+json", "signatures": []}',
        lambda envelope: envelope.replace(b"vnd.in-toto", b"vnd.im-toto"),
    ],
)
def test_a_forged_manifest_is_refused(out: Exporter, forge: Callable[[bytes], bytes]) -> None:
    made = out.make("csv")
    place = manifest_of(made.path)
    place.write_bytes(forge(place.read_bytes()))
    with pytest.raises(StationError, match="export: it"):
        out.prove(made.path)


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        ("https://in-toto.io/attestation/test-result/v0.1", {}),
        (PREDICATE, {}),
        (PREDICATE, {"schema": "charger-station/export", "version": 2}),
        (PREDICATE, {"schema": "charger-station/export", "version": 1, "made_at": "never"}),
    ],
)
def test_another_signed_statement_is_no_manifest(out: Exporter, kind: str, predicate: dict[str, Any]) -> None:
    """What the factory signed for another purpose proves nothing here."""
    made = out.make("csv")
    manifest_of(made.path).write_bytes(sealed(statement_of("export.csv", made.sha256, kind, predicate), out.signer))
    with pytest.raises(StationError, match="export: "):
        out.prove(made.path)


def test_a_manifest_that_counts_other_rows_than_there_are_is_refused(out: Exporter) -> None:
    """Even one that the factory signed."""
    made = out.make("csv")
    told = out.prove(made.path).manifest | {"rows": made.rows + 1}
    manifest_of(made.path).write_bytes(sealed(statement_of("export.csv", made.sha256, PREDICATE, told), out.signer))
    with pytest.raises(StationError, match="others than its manifest says"):
        out.prove(made.path)


class Witness:
    """Somebody who keeps the checkpoints of a log whose audit key is this one's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        folder.mkdir()

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def signed(self, size: int, root: bytes, origin: str = "charger-station/line1") -> bytes:
        return sign_checkpoint(
            Checkpoint(origin, size, root), self.spki, lambda body: self.key.sign(body, ec.ECDSA(SHA256()))
        )

    def keep(self, size: int, note: bytes) -> Path:
        path = self.folder / f"{size:012d}-00000000.txt"
        path.write_bytes(note)
        return path


def test_log_position_is_that_of_a_checkpoint_kept_elsewhere(tmp_path: Path) -> None:
    """As a file, and found by its size in a folder of many; without one it is told that it is not proven (F-K3)."""
    with exporter(tmp_path) as out:
        unsigned = out.make("csv", "before.csv")
        assert out.prove(unsigned.path).manifest["log"] == {}
        witness, head = Witness(tmp_path / "witness"), out.records.log_head()
        note = witness.signed(head.size, head.root)
        out.records.keep_checkpoint(head.size, note)
        made = out.make("csv")
        assert "kept elsewhere" in " ".join(out.prove(made.path).not_proved)
        told = out.prove(made.path).manifest["log"]
        assert (told["size"], told["checkpoint"].encode()) == (head.size, note)
        witness.keep(7, witness.signed(7, b"7" * 32))
        for place in (witness.keep(head.size, note), witness.folder):
            proof = prove_export(made.path, out.anchors, kept=Kept(place, witness.spki))
            assert f"{head.size} entries of checkpoint" in proof.proved[-1]
            assert "kept elsewhere" not in " ".join(proof.not_proved)
        with pytest.raises(StationError, match="names no checkpoint"):
            prove_export(unsigned.path, out.anchors, kept=Kept(witness.folder, witness.spki))
        refused(out, made.path, witness, head)


def refused(out: Exporter, path: Path, witness: Witness, head: LogHead) -> None:
    """Another history, another size, another log, another key: each is told apart."""
    forked = witness.keep(head.size, witness.signed(head.size, b"x" * 32))
    cases: list[tuple[Path, bytes, type[StationError], str]] = [
        (forked, witness.spki, StationError, "of another history"),
        (witness.keep(8, witness.signed(8, b"8" * 32)), witness.spki, ConfigError, f"is no checkpoint of {head.size}"),
        (witness.keep(9, witness.signed(head.size, head.root, "x/y")), witness.spki, ConfigError, "is no checkpoint"),
        (forked, Witness(witness.folder / "other").spki, StationError, "is not signed by this key"),
    ]
    for place, spki, kind, why in cases:
        with pytest.raises(kind, match=why):
            prove_export(path, out.anchors, kept=Kept(place, spki))

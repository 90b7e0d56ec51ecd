"""The tree, its notes and its proofs, against RFC 6962's own numbers and openssl (F-K3)."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.errors import RequestRefused
from pki.log import (
    EMPTY,
    Checkpoint,
    Inclusion,
    Range,
    bundle,
    bundle_name,
    inclusion,
    leaf_hash,
    node_hash,
    open_note,
    prove,
    prove_document,
    root_of,
    sign_checkpoint,
    tile_name,
    widths,
)

LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Test vectors of Certificate Transparency."""
KEY = ec.derive_private_key(7, ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
OTHER = (
    ec.derive_private_key(8, ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


def sign(body: bytes) -> bytes:
    return KEY.sign(body, ec.ECDSA(hashes.SHA256()))


class Tree:
    """A small tree in memory."""

    def __init__(self, count: int) -> None:
        self.entries = [b'{"document":"%064x"}' % number for number in range(count)]
        self.range = Range()
        for entry in self.entries:
            self.range.append(leaf_hash(entry))

    def node(self, level: int, number: int) -> bytes:
        if not level:
            return leaf_hash(self.entries[number])
        return node_hash(self.node(level - 1, 2 * number), self.node(level - 1, 2 * number + 1))

    def proof(self, index: int, **given: bytes) -> bytes:
        note = sign_checkpoint(Checkpoint("log", self.range.size, self.range.root()), SPKI, sign)
        path = tuple(inclusion(index, self.range.size, self.node))
        return bytes(Inclusion(given.get("entry", self.entries[index]), index, path, note))


def test_roots_are_those_of_the_standard() -> None:
    """RFC 6962 section 2.1, with the vectors of its reference implementation."""
    tree = Range()
    assert tree.root() == EMPTY
    for size, leaf in enumerate(LEAVES, 1):
        tree.append(leaf_hash(bytes.fromhex(leaf)))
        assert size not in ROOTS or tree.root().hex() == ROOTS[size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21])
def test_every_entry_is_proven_and_no_other(size: int) -> None:
    """A path leads from each entry to the root, and from nothing else, nor from another place."""
    tree = Tree(size)
    for index, entry in enumerate(tree.entries):
        path = inclusion(index, size, tree.node)
        assert root_of(index, size, leaf_hash(entry), path) == tree.range.root()
        assert root_of(index, size, leaf_hash(b"other"), path) != tree.range.root()


@pytest.mark.parametrize(("index", "size", "length"), [(3, 8, 2), (3, 8, 4), (8, 8, 3), (-1, 8, 3), (0, 0, 0)])
def test_impossible_paths_are_refused(index: int, size: int, length: int) -> None:
    """A path of another length, or of no such place, proves nothing."""
    with pytest.raises(RequestRefused):
        root_of(index, size, EMPTY, [EMPTY] * length)


def test_openssl_verifies_a_checkpoint(tmp_path: Path) -> None:
    """The three lines and the signature behind its four bytes are all that openssl needs."""
    note = sign_checkpoint(Checkpoint("charger-station/line1", 3, EMPTY), SPKI, sign)
    body, _, line = note.decode().partition("\n\n")
    for name, content in (
        ("body", f"{body}\n".encode()),
        ("sig", base64.b64decode(line.split()[-1])[4:]),
        ("key", SPKI),
    ):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", "key", "-signature", "sig", "body"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert line.startswith("\N{EM DASH} charger-station/line1 ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("log\n3", "log\n4"),
        ("log\n3", "log\n03"),
        ("log\n3", "log\n3 "),
        ("\n\n", "\n"),
        ("log\n3", "lug\n3"),
        ("47DEQ", "47DEq"),
    ],
)
def test_changed_checkpoints_are_refused(old: str, new: str) -> None:
    """Nothing of a checkpoint can be another, nor written in another way."""
    note = sign_checkpoint(Checkpoint("log", 3, EMPTY), SPKI, sign)
    assert open_note(note, SPKI).size == 3
    with pytest.raises(RequestRefused):
        open_note(note.replace(old.encode(), new.encode(), 1), SPKI)


@pytest.mark.parametrize("junk", [b"", b"\n\n", b"\xff\xfe\n1\nAA==\n\n", b"x" * 100_000, b"log\n1\n\n\n"])
def test_junk_is_no_checkpoint(junk: bytes) -> None:
    """Whatever is given, the answer is one sentence."""
    with pytest.raises(RequestRefused):
        open_note(junk, SPKI)


def test_another_key_is_not_believed() -> None:
    """A note of another key is refused; a second signature below ours is left alone."""
    note = sign_checkpoint(Checkpoint("log", 3, EMPTY), SPKI, sign)
    with pytest.raises(RequestRefused, match="not signed by this key"):
        open_note(note, OTHER)
    assert open_note(note + "\N{EM DASH} witness.example AAAA\n".encode(), SPKI).root == EMPTY


def test_a_proof_proves_its_document_alone() -> None:
    """Text, entry, place and path belong together (c2sp.org/tlog-proof)."""
    tree = Tree(11)
    proof = tree.proof(6)
    assert (prove(proof, SPKI).index, prove(proof, SPKI).entry) == (6, tree.entries[6])
    with pytest.raises(RequestRefused, match="does not lead"):
        prove(tree.proof(6, entry=b"{}"), SPKI)
    with pytest.raises(RequestRefused, match="another document"):
        prove_document(proof, b"document", SPKI)


@pytest.mark.parametrize(
    ("old", "new"), [("index 6", "index 06"), ("index 6", "index 7"), ("@v1", "@v2"), ("extra ", "extra  ")]
)
def test_changed_proofs_are_refused(old: str, new: str) -> None:
    """A proof is written in one way only."""
    proof = Tree(11).proof(6)
    with pytest.raises(RequestRefused):
        prove(proof.replace(old.encode(), new.encode(), 1), SPKI)


def test_files_are_named_as_the_specification_says() -> None:
    """c2sp.org/tlog-tiles: its own example, parts at the right edge, lengths before entries."""
    assert tile_name(0, 1_234_067) == "tile/0/x001/x234/067"
    assert bundle_name(0, 17) == "tile/entries/000.p/17"
    assert list(widths(70_000)) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert bundle([b"", b"ab"]) == b"\0\0\0\2ab"

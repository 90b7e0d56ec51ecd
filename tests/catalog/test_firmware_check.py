"""An image is judged completely before a device is touched; signing tools alone are too kind (F-C6)."""

import dataclasses
import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imgtool.image import Image as ImgtoolImage
from imgtool.image import VerifyResult

from fixtures.charger import der
from fixtures.charger.image import BootPolicy, parse, verify
from fixtures.firmware import BAD, KEYS, PUBLIC_KEY, Recipe, build_release, publish, sign
from station.catalog.firmware import ImageRule, Release, check_image, load_release
from station.catalog.source import Folder
from station.errors import ConfigError

SIZE = 4096
HEADER = 0x200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good release."""
    folder = tmp_path_factory.mktemp("catalog") / "firmware" / "ac22-1.4.0"
    build_release(folder, Recipe(size=SIZE))
    return folder


def loaded(manifest: Path) -> Release:
    """Read the release of a manifest as the catalogue that it lies in would."""
    return load_release(Folder(manifest.parents[2]), manifest.parent.name)


@pytest.fixture(scope="module")
def rule(folder: Path) -> ImageRule:
    return loaded(folder / "release.toml").image[0]


def truthful(rule: ImageRule, content: bytes) -> ImageRule:
    """Let the manifest describe a spoiled file as it is, so that the check behind it has to find the fault."""
    return dataclasses.replace(rule, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def refusal(content: bytes, rule: ImageRule) -> str:
    with pytest.raises(ConfigError) as caught:
        check_image(content, rule)
    assert caught.value.message.startswith(rule.path.name)
    return caught.value.message.partition(": ")[2]


def retold(content: bytes, protected: bytes = b"", unprotected: bytes = b"") -> bytes:
    """Put further TLVs into an image, with lengths that are right and a hash and a signature that are not."""
    start = HEADER + SIZE
    first = struct.unpack_from("<HH", content, start)[1]
    middle = content[start + 4 : start + first] + protected
    last = content[start + first + 4 :] + unprotected
    areas = struct.pack("<HH", 0x6908, 4 + len(middle)) + middle + struct.pack("<HH", 0x6907, 4 + len(last)) + last
    return content[:10] + struct.pack("<H", 4 + len(middle)) + content[12:start] + areas


@pytest.mark.parametrize("key", KEYS)
def test_a_released_image_passes(tmp_path: Path, key: str) -> None:
    """Also the bootloader of the simulated charger, which shares no code with the station, takes it."""
    manifest = build_release(tmp_path / "firmware" / "ac22-1.4.0", Recipe(size=SIZE, key=key))
    rule = loaded(manifest).image[0]
    found = check_image(rule.path.read_bytes(), rule)
    assert (found.version, found.security_counter, found.hardware) == ("1.4.0", 2, ("rev-b",))
    image = parse(rule.path.read_bytes())
    verify(image, BootPolicy(der.read(rule.public_key).whole, "rev-b"), 1)
    assert found.digest == image.digest


REASONS = {
    "wrong-key": "key hash",
    "wrong-signature": "signature",
    "unsigned": "signature",
    "truncated": "length",
    "garbage": "magic",
    "flipped-bit": "hash",
    "old-version": "version",
    "wrong-hardware": "hardware",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_image_is_refused_for_its_reason(tmp_path: Path, bad: str) -> None:
    """The manifest tells the truth about the bad file, so the digest of the file is no help."""
    name = "ac22-0.9.0" if bad == "old-version" else "ac22-1.4.0"
    rule = loaded(build_release(tmp_path / "firmware" / name, Recipe(size=SIZE, bad=bad))).image[0]
    assert refusal(rule.path.read_bytes(), rule).startswith(REASONS[bad])


@pytest.mark.parametrize("trailer", [b"\xff" * 400, b"\0", bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")])
def test_bytes_after_the_image_are_refused(rule: ImageRule, folder: Path, trailer: bytes) -> None:
    """imgtool's verify says yes to them: padding, garbage, a trailer that marks the image as confirmed."""
    content = rule.path.read_bytes() + trailer
    spoiled = folder / "trailing.bin"
    spoiled.write_bytes(content)
    assert ImgtoolImage.verify(str(spoiled), None)[0] == VerifyResult.OK
    assert refusal(content, truthful(rule, content)).startswith("length")


def test_a_padded_and_confirmed_image_is_refused(rule: ImageRule) -> None:
    key = KEYS["ecdsa-p256"]()
    padded = sign(key, "1.4.0", Recipe(size=SIZE), counter=2).ljust(256 * 1024, b"\xff")
    assert refusal(padded, truthful(rule, padded)).startswith("length")


def test_the_file_must_be_the_one_of_the_manifest(rule: ImageRule) -> None:
    content = rule.path.read_bytes()
    assert refusal(content[:-1], rule).startswith("size")
    assert refusal(content[:-1] + bytes([content[-1] ^ 1]), rule).startswith("file digest")


@pytest.mark.parametrize(("at", "value"), [(16, 0x10), (16, 0x20), (4, 1), (8, 0)])
def test_headers_that_mean_something_else_are_refused(rule: ImageRule, at: int, value: int) -> None:
    """Not bootable, loaded to RAM, a load address, a header without room for itself."""
    content = bytearray(rule.path.read_bytes())
    content[at : at + 2] = bytes([value, 0])
    assert refusal(bytes(content), truthful(rule, content)).startswith("header")


@pytest.mark.parametrize(
    ("area", "kind"), [("protected", 0x40), ("protected", 0xA2), ("unprotected", 0x50), ("unprotected", 0xA0)]
)
def test_tlvs_that_nobody_signed_or_understands_are_refused(rule: ImageRule, area: str, kind: int) -> None:
    """A dependency, a vendor's field; a counter and a hardware name outside of what the signature covers."""
    content = retold(rule.path.read_bytes(), **{area: struct.pack("<HH", kind, 4) + b"abcd"})
    assert refusal(content, truthful(rule, content)).startswith("TLV")


def test_a_second_signature_is_refused(rule: ImageRule) -> None:
    content = retold(rule.path.read_bytes(), unprotected=struct.pack("<HH", 0x22, 4) + b"abcd")
    assert refusal(content, truthful(rule, content)) == "TLV: 0x0022 stands there twice"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "1.4.1"}, "version"),
        ({"minimum_version": "1.4.0+1"}, "version"),
        ({"hardware": ("rev-c",)}, "hardware"),
        ({"hardware": ("rev-b", "rev-c")}, "hardware"),
        ({"security_counter": 3}, "anti-rollback"),
        ({"slot_size": SIZE + 4096}, "slot size"),
    ],
)
def test_an_image_that_is_not_what_the_manifest_says_is_refused(rule: ImageRule, change: dict, reason: str) -> None:
    """The manifest may narrow what was signed, never widen it."""
    assert refusal(rule.path.read_bytes(), dataclasses.replace(rule, **change)).startswith(reason)


def test_versions_are_compared_as_numbers(rule: ImageRule) -> None:
    content = rule.path.read_bytes()
    assert check_image(content, dataclasses.replace(rule, minimum_version="1.3.99")).version == "1.4.0"
    assert "older" in refusal(content, dataclasses.replace(rule, minimum_version="1.10.0"))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused(rule: ImageRule, data: st.DataObject) -> None:
    content = bytearray(rule.path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    refusal(bytes(content), truthful(rule, bytes(content)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_refused_in_one_way(rule: ImageRule, content: bytes, magic: bool) -> None:
    content = (b"\x3d\xb8\xf3\x96" + content) if magic else content
    refusal(content, truthful(rule, content))


SPOILED = {
    'sha256 = "': ('sha265 = "', "image[0]: unknown key 'sha265'; did you mean 'sha256'?"),
    'role = "application"': ('role = "aplication"', "did you mean 'application'?"),
    'version = "1.4.0"\nhardware': ('version = "1.4"\nhardware', "version: '1.4' is not of the form"),
    'hardware = ["rev-b"]': ('hardware = "rev-b"', "image[0]: hardware: a list is expected"),
    "security_counter = 2": ('security_counter = "2"', "image[0]: security_counter: int is expected"),
    "slot_size = 524288": ("slot_size = 0", "slot_size"),
    "schema_max = 1": ("schema_max = 0", "configuration: schema_min and schema_max must be from 1"),
    "number = 0": ("number = 4", "image[0]: number: must be from 0 to 3"),
    'role = "bootloader"\nversion': (
        'role = "modem"\nversion',
        "reported[0]: role: devices tell of their bootloader only",
    ),
    'version = "1.4.0+9999"': ('version = "latest"', "rollback: version: 'latest' is not of the form"),
    'sbom = "application.cdx.json"': ('sbom = "none.json"', "image[0]: sbom:"),
    "[rollback]": ("[roleback]", "unknown key 'roleback'; did you mean 'rollback'?"),
    'products = ["ac22", "ac22-basic", "ac22-password", "ac22-volt"]': ("", "release: key 'products' is missing"),
    "[[image]]": ("[[images]]", "unknown key 'images'; did you mean 'image'?"),
    'file = "ac22': ('file = "../ac22', "must be a file beside the manifest"),
    f'public_key = "{PUBLIC_KEY}"': ('public_key = "none.pem"', "image[0]: public_key:"),
}


def written(catalogue: Path, folder: Path, manifest: str) -> Path:
    """Put a release with a changed manifest into another catalogue."""
    other = publish(folder, catalogue)
    (other / "release.toml").write_text(manifest)
    return other / "release.toml"


@pytest.mark.parametrize("line", SPOILED)
def test_a_manifest_with_a_mistake_names_file_key_and_word(folder: Path, tmp_path: Path, line: str) -> None:
    spoiled, message = SPOILED[line]
    text = (folder / "release.toml").read_text()
    assert line in text
    path = written(tmp_path, folder, text.replace(line, spoiled, 1))
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    assert "firmware/ac22-1.4.0/release.toml" in caught.value.message
    assert message in caught.value.message


def test_a_key_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    """Only public keys, only P-256 and Ed25519: a private key has no place on a line."""
    path = written(tmp_path, folder, (folder / "release.toml").read_text().replace(PUBLIC_KEY, "wrong.pem"))
    (path.parent / "wrong.pem").write_text((folder / "signing" / "release.key.pem").read_text())
    with pytest.raises(ConfigError, match="must be an ECDSA P-256 or Ed25519 public key"):
        loaded(path)


def test_another_pinned_key_is_another_release(folder: Path, tmp_path: Path) -> None:
    """The digest that a recipe's approval covers changes with the key, though the manifest does not."""
    copy = publish(folder, tmp_path)
    before = loaded(copy / "release.toml").digest
    KEYS["ecdsa-p256"]().export_public(str(copy / PUBLIC_KEY))
    assert loaded(copy / "release.toml").digest != before

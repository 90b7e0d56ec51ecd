"""Encrypted MCUboot images: only the device can read them, so the station judges all that stands outside (F-C1)."""

import dataclasses
import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.firmware import HEADER_SIZE, Recipe, build_release
from station.catalog.firmware import ImageRule, check_image, load_release
from station.catalog.mcuboot_image import parse_image, with_wrong_signature
from station.catalog.source import Folder
from station.errors import ConfigError

SIZE = 4096


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> ImageRule:
    """An application that was encrypted for the device."""
    folder = tmp_path_factory.mktemp("catalog")
    build_release(folder / "firmware" / "ac22-1.4.0", Recipe(size=SIZE, encrypted=True))
    return load_release(Folder(folder), "ac22-1.4.0").image[0]


def refusal(content: bytes, rule: ImageRule) -> str:
    """Return why an image is refused whose manifest tells the truth about the file."""
    told = dataclasses.replace(rule, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ConfigError) as caught:
        check_image(content, told)
    return caught.value.message.partition(": ")[2]


def unprotected(content: bytes) -> int:
    """Return where the unprotected TLVs begin."""
    _, _, header, protected, body = struct.unpack_from("<IIHHI", content)
    return header + body + protected


def without(content: bytes, kind: int) -> bytes:
    """Take the TLVs of a kind out of the unprotected area."""
    start, kept = unprotected(content), b""
    at = start + 4
    while at < len(content):
        found, size = struct.unpack_from("<HH", content, at)
        kept += b"" if found == kind else content[at : at + 4 + size]
        at += 4 + size
    return content[:start] + struct.pack("<HH", 0x6907, 4 + len(kept)) + kept


def test_an_encrypted_image_passes_and_is_said_to_be_one(rule: ImageRule) -> None:
    found = check_image(rule.path.read_bytes(), rule)
    assert (found.encrypted, found.version, found.security_counter) == (True, "1.4.0", 2)
    assert found.digest == parse_image(rule.path.read_bytes()).digest


def test_the_body_is_not_what_the_digest_is_of(rule: ImageRule) -> None:
    """So this test fails if the sample was not encrypted at all."""
    content = rule.path.read_bytes()
    assert hashlib.sha256(content[: unprotected(content)]).digest() != parse_image(content).digest


def test_the_files_digest_alone_holds_the_ciphertext(rule: ImageRule) -> None:
    """Nobody but the device could tell otherwise: a changed byte of the body is refused by the manifest."""
    content = bytearray(rule.path.read_bytes())
    content[HEADER_SIZE + 100] ^= 1
    with pytest.raises(ConfigError, match="file digest"):
        check_image(bytes(content), rule)


@pytest.mark.parametrize("declared", [False, True])
def test_the_manifest_must_say_whether_it_is_encrypted(rule: ImageRule, tmp_path: Path, declared: bool) -> None:
    if declared:
        build_release(tmp_path / "firmware" / "ac22-1.4.0", Recipe(size=SIZE))
        rule = load_release(Folder(tmp_path), "ac22-1.4.0").image[0]
    with pytest.raises(ConfigError, match=f"encrypted = {str(declared).lower()}, which is not so"):
        check_image(rule.path.read_bytes(), dataclasses.replace(rule, encrypted=declared))


def test_an_image_that_says_encrypted_and_carries_no_key_is_refused(rule: ImageRule) -> None:
    """The device could not decrypt it; a plain image with the flag set looks like this."""
    assert refusal(without(rule.path.read_bytes(), 0x32), rule).startswith("encryption: 0 TLVs carry the key")


def test_a_plain_image_that_carries_a_key_is_refused(rule: ImageRule) -> None:
    """The flag was cleared: the hash could then be that of anything."""
    content = bytearray(rule.path.read_bytes())
    content[16] &= ~0x04
    assert refusal(bytes(content), rule).startswith("encryption: 0x0032 carries a key")


@pytest.mark.parametrize("flags", [0x08, 0x0C])
def test_the_key_must_be_of_the_headers_kind(rule: ImageRule, flags: int) -> None:
    """AES-256 with a key for AES-128; both at once."""
    content = bytearray(rule.path.read_bytes())
    content[16] = flags
    assert refusal(bytes(content), rule).startswith("encryption" if flags == 0x08 else "header")


def test_two_wrapped_keys_are_refused(rule: ImageRule) -> None:
    content = rule.path.read_bytes()
    start = unprotected(content)
    area = content[start + 4 :] + struct.pack("<HH", 0x33, 80) + bytes(80)
    spoiled = content[:start] + struct.pack("<HH", 0x6907, 4 + len(area)) + area
    assert refusal(spoiled, rule).startswith("encryption: 2 TLVs")


@pytest.mark.parametrize(("kind", "reason"), [(0x10, "hash"), (0x22, "signature"), (0x01, "key hash")])
def test_hash_and_signature_are_needed_all_the_same(rule: ImageRule, kind: int, reason: str) -> None:
    assert refusal(without(rule.path.read_bytes(), kind), rule).startswith(reason)


def test_a_signature_over_another_digest_is_refused(rule: ImageRule) -> None:
    content = rule.path.read_bytes()
    at = content.index(parse_image(content).digest)
    assert refusal(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], rule).startswith("signature")
    assert refusal(with_wrong_signature(content), rule).startswith("signature")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_outside_the_body_is_refused(rule: ImageRule, data: st.DataObject) -> None:
    """Also under a truthful manifest: in the unprotected TLVs hash, key and signature hold each other.

    The wrapped key itself only the device can judge, and header and protected TLVs stand under the signature that only
    the device can check against its plain image: what the manifest says of them is compared.
    """
    content = bytearray(rule.path.read_bytes())
    key = next(value for kind, value in parse_image(bytes(content)).unprotected.items() if kind == 0x32)
    hidden = bytes(content).index(key)
    outside = [at for at in range(unprotected(content), len(content)) if not hidden <= at < hidden + len(key)]
    content[data.draw(st.sampled_from(outside))] ^= data.draw(st.integers(1, 255))
    refusal(bytes(content), rule)

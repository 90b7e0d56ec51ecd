"""SBOMs of firmware: CycloneDX as its specification has it, of exactly the member that it lies beside (F-C8, P04)."""

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.firmware import Recipe, build_release
from fixtures.sbom import PARTS, sbom
from station.catalog.firmware import load_release
from station.catalog.sbom import MOST_COMPONENTS, Sbom, read_sbom
from station.catalog.source import Folder
from station.errors import ConfigError

DIGEST = "ab" * 32
GOOD = sbom("ac22-application", "application", "1.4.0", DIGEST)


def read(document: Any) -> Sbom:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_sbom(raw, "app.cdx.json", version="1.4.0", image_sha256=DIGEST)


def refusal(document: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(document)
    assert caught.value.message.startswith("app.cdx.json: ")
    assert len(caught.value.message) < 700
    return caught.value.message


def test_the_parts_of_a_member_are_told() -> None:
    found = read(GOOD)
    assert (found.name, found.version, found.spec, found.sha256) == (
        "ac22-application", "1.4.0", "1.6", sha256(GOOD).hexdigest()
    )  # fmt: skip
    assert [(part.name, part.version) for part in found.components] == [one[:2] for one in PARTS["application"]]
    assert found.components[0].purl == "pkg:github/zephyrproject-rtos/zephyr@4.4.0"


def test_components_within_components_are_told_too() -> None:
    document = json.loads(GOOD)
    document["components"][0]["components"] = [{"type": "library", "name": "net", "version": "4.4.0"}]
    assert "net" in [part.name for part in read(document).components]


def test_version_1_5_has_no_keys_and_types_of_1_6() -> None:
    document = json.loads(GOOD) | {"specVersion": "1.5"}
    assert read(document).spec == "1.5"
    document["components"][0]["type"] = "cryptographic-asset"
    assert "unknown word 'cryptographic-asset'" in refusal(document)


def spoiled(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GOOD)
    change(document)
    return document


SPOILED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another format": (lambda d: d.update(bomFormat="SPDX"), "bomFormat: 'CycloneDX' is expected"),
    "an old version": (lambda d: d.update(specVersion="1.4"), "specVersion: '1.4' is not one of 1.5, 1.6"),
    "no serial number": (lambda d: d.pop("serialNumber"), "serialNumber: a text is expected"),
    "a serial number of another form": (lambda d: d.update(serialNumber="17"), "serialNumber: 'urn:uuid:'"),
    "a revision below 1": (lambda d: d.update(version=0), "version: a number from 1"),
    "a true revision": (lambda d: d.update(version=True), "version: a number from 1"),
    "a misspelt key": (lambda d: d.update(component=[]), "unknown key 'component'; did you mean 'components'?"),
    "a misspelt key of a component": (
        lambda d: d["components"][0].update(licences=[]),
        "components[0]: unknown key 'licences'; did you mean 'licenses'?",
    ),
    "no components": (lambda d: d.update(components=[]), "components: at least one component is expected"),
    "components that are no list": (lambda d: d.update(components={}), "components: a list of at most"),
    "nothing described": (lambda d: d.pop("metadata"), "metadata: an object is expected"),
    "another version": (
        lambda d: d["metadata"]["component"].update(version="1.3.9"),
        "metadata.component.version: '1.3.9', the manifest says 1.4.0",
    ),
    "another image": (
        lambda d: d["metadata"]["component"]["hashes"][0].update(content="cd" * 32),
        "metadata.component.hashes: the SHA-256 is not that of the member's file",
    ),
    "a hash cut short": (
        lambda d: d["metadata"]["component"]["hashes"][0].update(content="ab" * 31),
        "metadata.component.hashes[0].content: 64 hexadecimal digits",
    ),
    "an unknown hash": (
        lambda d: d["metadata"]["component"]["hashes"][0].update(alg="SHA256"),
        "unknown word 'SHA256'; did you mean 'SHA-256'?",
    ),
    "a component without version": (lambda d: d["components"][1].pop("version"), "components[1].version: a text"),
    "an unknown type": (lambda d: d["components"][0].update(type="libary"), "did you mean 'library'?"),
    "a package URL that is none": (lambda d: d["components"][0].update(purl="zephyr"), "begins with 'pkg:'"),
    "two of one reference": (
        lambda d: d["components"][1].update({"bom-ref": d["components"][0]["bom-ref"]}),
        "components[1].bom-ref: 'pkg:github/zephyrproject-rtos/zephyr@4.4.0' stands there twice",
    ),
    "a dependency on nothing": (lambda d: d["dependencies"][0]["dependsOn"].append("gone"), "'gone' is no bom-ref"),
    "a dependency on what is no text": (lambda d: d["dependencies"][0].update(ref={}), "is no bom-ref"),
    "a control character": (lambda d: d["components"][0].update(name="a\x1b[2J"), "components[0].name: a text"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_document_with_a_mistake_names_the_key(what: str) -> None:
    change, told = SPOILED[what]
    assert told in refusal(spoiled(change))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"{}", "specVersion"),
        (b"[]", "an object is expected"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"bomFormat": "CycloneDX", "bomFormat": "CycloneDX"}', "a key stands twice"),
        (b'{"version": NaN}', "'NaN' is not JSON"),
    ],
)
def test_bad_json_is_refused(raw: bytes, told: str) -> None:
    assert told in refusal(raw)


def test_a_document_without_end_is_refused() -> None:
    part = {"type": "library", "name": "a", "version": "1"}
    assert "at most" in refusal(spoiled(lambda d: d.update(components=[part] * (MOST_COMPONENTS + 1))))
    nested: dict[str, Any] = part
    for _ in range(12):
        nested = part | {"components": [nested]}
    assert "too deep" in refusal(spoiled(lambda d: d.update(components=[nested])))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(json.loads(GOOD))), value=VALUES)
def test_any_value_in_any_place_is_read_or_refused_in_one_way(key: str, value: Any) -> None:
    document = json.loads(GOOD) | {key: value}
    with suppress(ConfigError):
        read(document)


def test_a_sbom_replaced_after_the_release_is_refused(tmp_path: Path) -> None:
    """P04: also by one that is valid; the manifest names its digest, and a recipe's digest covers the manifest."""
    folder = tmp_path / "firmware" / "ac22-1.4.0"
    build_release(folder, Recipe(size=4096))
    path = folder / "application.cdx.json"
    path.write_bytes(path.read_bytes().replace(b'"3.6.4"', b'"3.6.5"'))
    with pytest.raises(ConfigError, match=r"image\[0\]: sbom_sha256: differs from that of .*application.cdx.json"):
        load_release(Folder(tmp_path), "ac22-1.4.0")

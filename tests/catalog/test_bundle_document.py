"""A bundle is everything that was approved, under one digest; what differs by one byte is no longer it."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785

from fixtures.approval import AUTHOR
from station.catalog.bundle import (
    MOST_BYTES,
    Bundle,
    BundleOptions,
    as_text,
    bundle_names,
    differences,
    files_beside,
    load_bundle,
    make_bundle,
    parse_bundle,
    write_bundle,
)
from station.errors import ConfigError
from station.steps import STEPS

OPTIONS = BundleOptions("ac22-eu", AUTHOR)


def document(catalog: Path, name: str = "ac22-eu-r1") -> Path:
    return catalog / "bundles" / name / "bundle.json"


def altered(bundle: Bundle, **fields: object) -> bytes:
    return rfc8785.dumps(json.loads(bundle.document) | fields)


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def test_digest_is_that_of_sha256sum(bundle: Bundle, catalog: Path) -> None:
    """An auditor needs no program of ours to find the digest that orders and runs name."""
    assert bundle.digest == sha256(document(catalog).read_bytes()).hexdigest()
    assert bundle.recipe(STEPS).digest == bundle.digest


def test_bundle_holds_everything_that_was_read(bundle: Bundle) -> None:
    """F-A1: recipe, product, firmware set, profiles, environments, label; images are pinned by digest."""
    kinds = {path.split("/")[0] for path in bundle.content.files}
    assert kinds >= {"recipes", "products", "firmware", "profiles", "environments", "labels"}
    assert "firmware/ac22-1.4.0/ac22-1.4.0.bin" in bundle.content.binaries


def test_bundle_is_loaded_without_its_drafts(bundle: Bundle, catalog: Path) -> None:
    """F-A3: a revision of years ago is read from the bundle alone."""
    before = bundle.recipe(STEPS)
    for kind in ("recipes", "products", "profiles", "environments", "firmware"):
        shutil.rmtree(catalog / kind)
    assert load_bundle(catalog, "ac22-eu-r1").recipe(STEPS) == before


def test_edited_draft_does_not_change_the_bundle(bundle: Bundle, catalog: Path) -> None:
    """F-A2: what is built is what was approved, whatever the folder holds now."""
    edit(catalog / "products" / "ac22" / "product.toml", 'vendor = "Example Chargers"', 'vendor = "Other"')
    assert load_bundle(catalog, "ac22-eu-r1").recipe(STEPS).product.vendor == "Example Chargers"


def test_next_revision_names_the_one_before(bundle: Bundle, catalog: Path) -> None:
    second = make_bundle(catalog, OPTIONS, STEPS)
    write_bundle(second)
    third = make_bundle(catalog, OPTIONS, STEPS)
    assert (second.title, second.content.previous) == ("ac22-eu r2", bundle.digest)
    assert (third.title, third.content.previous) == ("ac22-eu r3", second.digest)
    assert bundle_names(catalog) == ("ac22-eu-r1", "ac22-eu-r2")


def test_revision_is_never_written_twice(catalog: Path) -> None:
    second = make_bundle(catalog, OPTIONS, STEPS)
    write_bundle(second)
    with pytest.raises(ConfigError, match="exists"):
        write_bundle(second)


def test_revisions_are_in_the_order_of_numbers(catalog: Path) -> None:
    """r10 follows r9, though not as text."""
    for number in (10, 9):
        shutil.copytree(catalog / "bundles" / "ac22-eu-r1", catalog / "bundles" / f"ac22-eu-r{number}")
    assert bundle_names(catalog) == ("ac22-eu-r1", "ac22-eu-r9", "ac22-eu-r10")


def test_wrong_draft_makes_no_bundle(catalog: Path) -> None:
    edit(catalog / "products" / "ac22" / "product.toml", "security_profile = ", "sekurity_profile = ")
    with pytest.raises(ConfigError, match="sekurity_profile"):
        make_bundle(catalog, OPTIONS, STEPS)


def test_catalogues_own_label_counts(catalog: Path) -> None:
    """The station's label template is a part of what is approved; the catalogue's own comes first."""
    shipped = make_bundle(catalog, OPTIONS, STEPS).content.files["labels/unit.zpl"]
    (catalog / "labels").mkdir()
    (catalog / "labels" / "unit.zpl").write_text("^XA^FDours^FS^XZ")
    ours = make_bundle(catalog, OPTIONS, STEPS)
    assert shipped != ours.recipe(STEPS).label == "^XA^FDours^FS^XZ"


@pytest.mark.parametrize("spoil", ["replaced", "longer", "missing"])
def test_firmware_file_that_was_replaced_after_approval(bundle: Bundle, catalog: Path, spoil: str) -> None:
    """F-C1: the bundle pins the images that it does not hold."""
    bundle.check_binaries()
    image = catalog / "firmware" / "ac22-1.4.0" / "ac22-1.4.0.bin"
    content = bytearray(image.read_bytes())
    content[1000] ^= 1
    image.write_bytes(content if spoil == "replaced" else image.read_bytes() + b"\0")
    if spoil == "missing":
        image.unlink()
    with pytest.raises(ConfigError, match=r"ac22-1\.4\.0\.bin"):
        bundle.check_binaries()


def test_difference_of_two_revisions(bundle: Bundle, catalog: Path) -> None:
    """What an approver reads: the lines that changed, by file; also of a replaced image."""
    edit(catalog / "recipes" / "ac22-eu.toml", "limit_seconds = 900", "limit_seconds = 600")
    image = catalog / "firmware" / "ac22-1.4.0" / "ac22-1.4.0-rollback.bin"
    image.write_bytes(image.read_bytes() + b"\0")
    changes = {one.path: one.lines for one in differences(bundle, make_bundle(catalog, OPTIONS, STEPS))}
    assert {"-limit_seconds = 900", "+limit_seconds = 600"} <= set(changes["recipes/ac22-eu.toml"])
    assert set(changes) == {"bundle.json", "recipes/ac22-eu.toml", "firmware/ac22-1.4.0/ac22-1.4.0-rollback.bin"}


def test_difference_shows_a_line_end(bundle: Bundle) -> None:
    """A change that no screen would show as text is still told."""
    other = parse_bundle(altered(bundle, files={"recipes/ac22-eu.toml": "a\r\nb"}), bundle.catalog, "other")
    same = parse_bundle(altered(bundle, files={"recipes/ac22-eu.toml": "a\nb"}), bundle.catalog, "same")
    assert "recipes/ac22-eu.toml" in as_text(differences(other, same))


def test_everything_is_new_without_an_earlier_one(bundle: Bundle) -> None:
    assert {one.path for one in differences(None, bundle)} >= set(bundle.content.files)
    assert differences(bundle, bundle) == ()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"schema": "other"}, "schema other"),
        ({"version": 2}, "version 2"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"author": "two, people"}, "author"),
        ({"author": "*"}, "author"),
        ({"name": "../up"}, "name"),
        ({"revision": 0}, "revision"),
        ({"revision": True}, "int is expected"),
        ({"previous": "abc"}, "previous"),
        ({"expires": "2099-01-01T00:00:00.000Z"}, "within 731 days"),
        ({"expires": "2020-01-01T00:00:00.000Z"}, "within 731 days"),
        ({"expires": "tomorrow"}, "tomorrow"),
        ({"files": {"../../etc/passwd": "x"}}, "not a path in the catalogue"),
        ({"binaries": {"firmware/a.bin": {"sha256": "00", "size": 1}}}, "64 lower-case"),
    ],
)
def test_document_that_is_none_of_ours(bundle: Bundle, fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_bundle(altered(bundle, **fields), bundle.catalog, "bundle.json")


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":1e999}', b'"\\ud800"', b"1" * 5000],
    ids=["empty", "null", "list", "cut off", "not UTF-8", "deep", "infinite", "half a pair", "long number"],
)
def test_document_that_is_no_bundle(catalog: Path, raw: bytes) -> None:
    document(catalog).write_bytes(raw)
    with pytest.raises(ConfigError, match="bundle"):
        load_bundle(catalog, "ac22-eu-r1")


@pytest.mark.parametrize("change", [lambda raw: raw + b"\n", lambda raw: raw.replace(b":", b": ", 1),
                                    lambda raw: raw.replace(b'{"', b'{"author":"x","', 1)])  # fmt: skip
def test_document_that_says_the_same_in_other_bytes(catalog: Path, change) -> None:
    """One content has one digest: spaces and repeated keys are refused."""
    document(catalog).write_bytes(change(document(catalog).read_bytes()))
    with pytest.raises(ConfigError, match="canonical"):
        load_bundle(catalog, "ac22-eu-r1")


def test_document_too_large(catalog: Path) -> None:
    with document(catalog).open("ab") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ConfigError, match="larger than"):
        load_bundle(catalog, "ac22-eu-r1")


def test_revision_under_another_name(catalog: Path) -> None:
    """An old revision can't be passed off as the newest."""
    shutil.copytree(catalog / "bundles" / "ac22-eu-r1", catalog / "bundles" / "ac22-eu-r2")
    with pytest.raises(ConfigError, match="lies in the wrong directory"):
        load_bundle(catalog, "ac22-eu-r2")


@pytest.mark.parametrize("name", ["", "ac22-eu", "../ac22-eu-r1", "ac22-eu-r0", "ac22-eu-r1/x", "a" * 200 + "-r1"])
def test_name_that_is_none(catalog: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a bundle"):
        load_bundle(catalog, name)


def test_too_much_beside_a_bundle(catalog: Path) -> None:
    folder = document(catalog).parent
    (folder / "big.sig").write_bytes(b"x" * 70_000)
    with pytest.raises(ConfigError, match=r"big\.sig: larger"):
        files_beside(catalog, "ac22-eu-r1")
    (folder / "big.sig").unlink()
    for number in range(70):
        (folder / f"{number}.sig").write_bytes(b"x")
    with pytest.raises(ConfigError, match="more than 64 files"):
        files_beside(catalog, "ac22-eu-r1")


def test_longest_life(bundle: Bundle, catalog: Path) -> None:
    """Two years at the most."""
    assert make_bundle(catalog, replace(OPTIONS, days=731), STEPS)
    with pytest.raises(ConfigError, match="within 731 days"):
        make_bundle(catalog, replace(OPTIONS, days=732), STEPS)

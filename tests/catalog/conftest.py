"""The sample catalogue with people who approve, in directories of a test's own."""

import shutil
from pathlib import Path

import pytest

from fixtures.approval import approved_bundle, make_keys, write_approvers
from fixtures.firmware import RELEASES, Recipe, build_release, publish
from station.catalog.bundle import Bundle

CATALOG = Path(__file__).parents[2] / "fixtures" / "catalog"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with everybody's SSH keys."""
    folder = tmp_path_factory.mktemp("people")
    make_keys(folder)
    return folder


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """Return a station-like directory: catalogue, file of approvers, and an approved bundle of ac22-eu."""
    directory = tmp_path_factory.mktemp("master")
    shutil.copytree(CATALOG, directory / "catalog")
    build_release(directory / "catalog" / "firmware" / "ac22-1.4.0", Recipe(size=2048))
    write_approvers(keys, directory / "approvers")
    approved_bundle(directory / "catalog", keys, "ac22-eu")
    return directory


@pytest.fixture
def place(tmp_path: Path, master: Path) -> Path:
    """Return a copy of the master that a test may spoil."""
    shutil.copytree(master, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def catalog(place: Path) -> Path:
    """Return a catalogue that a test may spoil."""
    return place / "catalog"


@pytest.fixture
def bundle(catalog: Path) -> Bundle:
    """Return the approved bundle in a catalogue that a test may spoil."""
    from station.catalog.bundle import load_bundle

    return load_bundle(catalog, "ac22-eu-r1")


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalogue with every product, recipe and firmware release of the samples; not to be changed."""
    directory = tmp_path_factory.mktemp("complete") / "catalog"
    shutil.copytree(CATALOG, directory)
    for product in RELEASES:
        publish(build_release(tmp_path_factory.mktemp(product), Recipe(size=2048), product).parent, directory)
    return directory


@pytest.fixture
def whole(tmp_path: Path, complete: Path) -> Path:
    """Return a copy of the complete catalogue that a test may spoil."""
    return shutil.copytree(complete, tmp_path / "whole")


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))

"""A catalogue like that of the demonstration, in a directory of the test's own."""

import shutil
from pathlib import Path

import pytest

from fixtures.firmware import build_release

CATALOG = Path(__file__).parents[2] / "fixtures" / "catalog"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a released firmware set."""
    directory = tmp_path_factory.mktemp("firmware") / "ac22-1.4.0"
    build_release(directory)
    return directory


@pytest.fixture
def catalog(tmp_path: Path, released: Path) -> Path:
    """Return a catalogue that a test may spoil."""
    shutil.copytree(CATALOG, tmp_path / "catalog")
    shutil.copytree(released, tmp_path / "catalog" / "firmware" / "ac22-1.4.0")
    return tmp_path / "catalog"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))

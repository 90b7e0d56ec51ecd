"""Registrations as files for import, and no CPMS at all."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from station.cpms import OPERATORS, open_cpms, payload
from station.errors import ServiceError, UnitError


@pytest.fixture
def folder(tmp_path):
    return open_cpms("file:out", lambda: "", tmp_path)


def test_a_unit_becomes_one_file(folder, unit, tmp_path):
    """The file is whole JSON with its format named, and nothing else is left beside it."""
    registration = folder.register(unit, 1)
    (file,) = (tmp_path / "out").iterdir()
    content = json.loads(file.read_text())
    assert (content["format"], content["revision"]) == ("charger-registration/1", 1)
    assert content["charger"] == payload(unit) | OPERATORS
    assert (registration.created, registration.state) == (True, "equal")


def test_the_same_again_changes_nothing_and_other_content_is_a_conflict(folder, unit, another):
    """F-G2 holds for files too."""
    folder.register(unit, 1)
    assert not folder.register(unit, 1).created
    with pytest.raises(UnitError, match="firmware"):
        folder.register(another(unit, firmware="9.9.9"), 2)
    assert folder.read(unit.serial).fields["firmware"] == "1.2.0"


def test_writers_at_once_make_one_record(folder, unit, another):
    """Two stations with different content for one serial: exactly one wins, the other is told."""

    def attempt(number):
        try:
            return folder.register(another(unit, firmware=f"1.{number}.0"), 1).created
        except UnitError:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_an_identity_or_certificate_of_another_serial_is_a_conflict(folder, unit, another):
    """The check before ship reads all files."""
    folder.register(unit, 1)
    with pytest.raises(UnitError, match="certificate_sha256 belongs to"):
        folder.check_free("AC22-OTHER", unit.certificate_sha256)
    with pytest.raises(UnitError, match="taken"):
        folder.register(another(unit, serial="AC22-OTHER"), 1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b" " * 300_000, b'{"serial": "AC22-1"}', b"\xff"])
def test_a_broken_file_is_an_error_of_the_station(folder, unit, tmp_path, content):
    """What stands in the directory is not believed."""
    (tmp_path / "out" / f"{unit.serial}.json").write_bytes(content)
    with pytest.raises(ServiceError, match=unit.serial):
        folder.register(unit, 1)


def test_a_serial_never_leaves_the_directory(folder):
    """A serial that is a path is refused."""
    with pytest.raises(ValueError, match="serial"):
        folder.read("../../etc/passwd")


def test_no_cpms_agrees_with_everything(unit):
    """The null object needs no `if`: registered, equal, nothing kept."""
    nothing = open_cpms("none:", lambda: "")
    nothing.check_free(unit.serial, unit.certificate_sha256)
    assert nothing.register(unit, 1).state == "equal"
    assert nothing.read(unit.serial) is None

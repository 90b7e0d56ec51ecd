"""A CPMS is told of a revoked certificate once, and says so when it is read back."""

import json

import pytest

from station.cpms import open_cpms
from station.errors import ServiceError, UnitError
from station.records import RevokedCertificate


@pytest.fixture
def notice(unit):
    return RevokedCertificate(unit.serial, "0A1B", "keyCompromise", "ship")


@pytest.fixture(params=["rest", "file"])
def either(request, tmp_path):
    """Yield a CPMS of each kind."""
    if request.param == "rest":
        yield request.getfixturevalue("cpms")
        return
    yield open_cpms("file:out", lambda: "", tmp_path)


def test_told_twice_is_known_once(either, notice):
    """Idempotent on unit and certificate, also for a charger that was never registered."""
    assert either.revoke(notice)
    assert not either.revoke(notice)


def test_another_reason_is_not_written_over_the_first(either, notice, another):
    """What the CPMS keeps is compared; nothing is overwritten."""
    either.revoke(notice)
    with pytest.raises(ServiceError, match="as superseded"):
        either.revoke(another(notice, reason="superseded"))
    assert not either.revoke(notice)


def test_a_revoked_certificate_is_not_registered(either, unit, notice, another):
    """A registration that is late finds its certificate revoked; the unit's next one may be registered."""
    either.revoke(notice)
    with pytest.raises(UnitError, match="taken"):
        either.register(unit, 1)
    assert either.register(another(unit, certificate_serial="0A1C"), 2).state == "equal"


@pytest.mark.parametrize("fault", ["error 3", "busy 1", "garbage", "forgets", "alters", "cut-answer 3", "redirect"])
def test_a_cpms_that_misbehaves_is_an_error_of_the_station_or_is_asked_again(cpms, staging, notice, fault):
    """Only a read-back that is equal counts; what is kept in the end is right."""
    staging.misbehave(fault)
    if fault == "busy 1":
        assert cpms.revoke(notice)
    else:
        with pytest.raises(ServiceError):
            cpms.revoke(notice)
    staging.misbehave("none")
    if fault != "alters":
        cpms.revoke(notice)


def test_the_file_is_whole_and_apart_from_registrations(unit, notice, tmp_path):
    folder = open_cpms("file:out", lambda: "", tmp_path)
    folder.register(unit, 1)
    folder.revoke(notice)
    (file,) = (tmp_path / "out" / "revoked").iterdir()
    content = json.loads(file.read_text())
    assert content.pop("format") == "revoked-certificate/1"
    assert content == {
        "serial": unit.serial,
        "certificate_serial": "0A1B",
        "revocation": {"reason": "keyCompromise", "environment": "ship"},
    }
    assert folder.read(unit.serial).fields["certificate"]["serial_number"] == "0A1B"


@pytest.mark.parametrize("number", ["../../x", "0a1b", "", "F" * 41])
def test_a_number_never_leaves_its_place(either, notice, another, number):
    with pytest.raises(ValueError, match="upper-case hexadecimal"):
        either.revoke(another(notice, certificate_serial=number))


def test_no_cpms_needs_no_telling(notice):
    assert open_cpms("none:", lambda: "").revoke(notice) is False

"""A CPMS keeps a withdrawn registration no longer, says so when it is read back, and takes the unit's next one."""

import json

import pytest

from station.cpms import open_cpms
from station.errors import ServiceError, UnitError
from station.records import Withdrawal
from station.records.dispositions import WORDS
from station.records.lifecycle import PASSAGES


@pytest.fixture
def notice(unit):
    return Withdrawal(unit.serial, 1, "scrapped")


@pytest.fixture(params=["rest", "file"])
def either(request, tmp_path):
    """Yield a CPMS of each kind."""
    if request.param == "rest":
        yield request.getfixturevalue("cpms")
        return
    yield open_cpms("file:out", lambda: "", tmp_path)


def test_withdrawn_twice_is_gone_once(either, unit, notice):
    """F-L4: the record is gone for whoever asks; asked again the CPMS knows it."""
    either.register(unit, 1)
    assert either.withdraw(notice)
    assert not either.withdraw(notice)
    assert either.read(unit.serial) is None
    either.check_free(unit.serial, unit.certificate_sha256)


def test_registration_that_comes_late_is_refused(either, unit, notice):
    """A request that was on its way when the unit was scrapped makes no record."""
    assert either.withdraw(notice)
    with pytest.raises(UnitError, match="taken"):
        either.register(unit, 1)
    assert either.read(unit.serial) is None


def test_next_revision_of_a_reworked_unit_is_registered_and_stays(either, unit, another):
    """The old notice, delivered again, takes nothing from the new record."""
    notice = Withdrawal(unit.serial, 1, "rework")
    either.register(unit, 1)
    either.withdraw(notice)
    built_again = another(unit, certificate_serial="0A1C", certificate_sha256="ee" * 32)
    assert either.register(built_again, 2).state == "equal"
    assert not either.withdraw(notice)
    assert either.read(unit.serial).revision == 2


def test_another_reason_is_not_written_over_the_first(either, unit, notice, another):
    """What the CPMS keeps is compared; nothing is overwritten."""
    either.register(unit, 1)
    either.withdraw(notice)
    with pytest.raises(ServiceError, match=f"did not withdraw revision 1 of {unit.serial}"):
        either.withdraw(another(notice, reason="rework"))


def test_whatever_ends_a_record_is_a_reason_that_the_cpms_takes(cpms, unit, another):
    """F-M3, P21: what happens to a unit in the field is told in the words of the interface."""
    told = [kind.value for kind, passage in PASSAGES.items() if passage.withdraws]
    for revision, reason in enumerate((*told, *WORDS.values()), 1):
        cpms.register(
            another(unit, certificate_serial=f"0A{revision}", certificate_sha256=f"{revision}e" * 32), revision
        )
        assert cpms.withdraw(Withdrawal(unit.serial, revision, reason)), reason
    assert {"owner-changed", "operator-changed", "returned", "decommissioned"} <= set(told)


def test_certificate_of_a_withdrawn_unit_stays_its_own(cpms, unit, notice, another):
    """P01: what one unit had is never another's, also once the first is scrapped."""
    cpms.register(unit, 1)
    cpms.withdraw(notice)
    with pytest.raises(UnitError, match="taken"):
        cpms.register(another(unit, serial=f"{unit.serial}-9", ocpp_identity=f"{unit.serial}-9"), 1)


@pytest.mark.parametrize("fault", ["error 3", "garbage", "forgets", "cut-answer 3", "redirect"])
def test_cpms_that_misbehaves_is_an_error_of_the_station(cpms, staging, unit, notice, fault):
    """Only a read-back counts; what is kept in the end is right."""
    cpms.register(unit, 1)
    staging.misbehave(fault)
    with pytest.raises(ServiceError):
        cpms.withdraw(notice)
    staging.misbehave("none")
    cpms.withdraw(notice)
    assert cpms.read(unit.serial) is None


def test_files_say_what_was_withdrawn(unit, notice, tmp_path):
    folder = open_cpms("file:out", lambda: "", tmp_path)
    folder.register(unit, 1)
    folder.withdraw(notice)
    (file,) = (tmp_path / "out" / "withdrawn").iterdir()
    wanted = {"format": "withdrawn-registration/1", "serial": unit.serial, "revision": 1}
    assert json.loads(file.read_text()) == wanted | {"withdrawal": {"reason": "scrapped"}}
    assert not (tmp_path / "out" / f"{unit.serial}.json").exists()


def test_no_cpms_needs_no_telling(notice):
    assert open_cpms("none:", lambda: "").withdraw(notice) is False

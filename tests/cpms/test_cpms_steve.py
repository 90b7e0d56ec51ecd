"""SteVe: session, token against forgery, errors as pages, and a form that is only ever used to add."""

import pytest
from vendor_world import PASSWORD, TOKEN, password

from fixtures.samples import sample_unit
from station.cpms import Rejected, Result
from station.errors import ServiceError, UnitError
from station.records import Withdrawal

SERIAL = "AC22-000001-7"


@pytest.fixture
def steve(street):
    street.town.steve.__init__(TOKEN)
    adapter = street.open("steve")
    yield adapter, street.town.steve
    adapter.close()


def test_a_unit_is_added_by_the_form(steve):
    """F-G1: profile and status have fields; serial number, revision and certificate stand in the note."""
    adapter, page = steve
    registration = adapter.register(sample_unit(), 1)
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    (station,) = page.stations.values()
    assert (station["securityProfile"], station["registrationStatus"]) == ("Profile_3", "ACCEPTED")
    assert adapter.register(sample_unit(), 1).result is Result.UNCHANGED


def test_the_password_goes_into_the_form_and_nowhere_else(steve):
    """F-G5: plain, as SteVe wants it; the details page only tells that there is one."""
    adapter, page = steve
    registration = adapter.register(sample_unit(security_profile=2), 1, password())
    assert page.stations[1]["authPassword"] == PASSWORD
    assert registration.state == "equal"
    assert PASSWORD.encode() not in registration.sent + registration.read_back


@pytest.mark.parametrize(("text", "told"), [("x" * 21, "between 16 and 20"), ("x" * 15, "between 16 and 20")])
def test_what_the_form_refuses_is_told_without_the_password(steve, text, told):
    """The answer is 200 with a list of errors, which is no success."""
    adapter, page = steve
    with pytest.raises(Rejected, match=told) as problem:
        adapter.register(sample_unit(security_profile=2), 1, password(text))
    assert text not in str(problem.value)
    assert page.stations == {}


def test_a_name_within_another_is_not_taken_for_it(steve):
    """The search finds parts of names too."""
    adapter, page = steve
    adapter.register(sample_unit(f"{SERIAL}-9"), 1)
    assert adapter.read(SERIAL) is None
    assert adapter.register(sample_unit(), 1).result is Result.CREATED
    assert len(page.stations) == 2


def test_another_certificate_is_a_conflict_and_nothing_is_posted(steve):
    adapter, page = steve
    adapter.register(sample_unit(), 1)
    before = dict(page.stations)
    with pytest.raises(UnitError, match="certificate_sha256: sent"):
        adapter.register(sample_unit(certificate_sha256="ab" * 32), 1)
    with pytest.raises(UnitError, match="another certificate"):
        adapter.check_free(SERIAL, "ab" * 32)
    assert page.stations == before


def test_a_station_from_elsewhere_is_left_alone(steve):
    """Its form would replace everything."""
    adapter, page = steve
    page.stations[7] = {
        "chargeBoxId": SERIAL,
        "securityProfile": "Profile_3",
        "registrationStatus": "ACCEPTED",
        "description": "Example Chargers AC22",
    }
    with pytest.raises(Rejected, match="from elsewhere"):
        adapter.register(sample_unit(), 1)
    assert "note" not in page.stations[7]


def test_a_name_in_another_case_is_a_conflict(steve):
    """SteVe answers with a page of an error and status 200."""
    adapter, page = steve
    page.stations[7] = {"chargeBoxId": SERIAL.lower()}
    with pytest.raises(UnitError, match="its identity is taken"):
        adapter.register(sample_unit(), 1)
    assert list(page.stations) == [7]


def test_a_session_that_ended_is_begun_again(steve):
    adapter, page = steve
    adapter.register(sample_unit(), 1)
    page.expire()
    assert adapter.read(SERIAL).fields["serial"] == SERIAL
    assert page.sign_ins == 2


def test_a_wrong_password_of_the_user_is_told_without_it(street):
    street.town.steve.__init__(TOKEN)
    with pytest.raises(ServiceError, match="refuses name and password") as problem:
        street.open("steve", token="user:wrong-password").read(SERIAL)
    assert "wrong-password" not in f"{problem.value!r}{problem.value.__cause__!r}"


def test_withdrawn_once_and_not_a_later_revision(steve):
    """F-L4: the note tells which revision it is."""
    adapter, page = steve
    adapter.register(sample_unit(), 2)
    assert not adapter.withdraw(Withdrawal(SERIAL, 1, "rework"), sample_unit())
    assert adapter.withdraw(Withdrawal(SERIAL, 2, "scrapped"), sample_unit())
    assert page.stations == {}


@pytest.mark.parametrize("fault", ["garbage", "empty", "error", "redirect"])
def test_a_page_that_is_none_of_steves_is_an_error_of_the_station(steve, street, fault):
    adapter, _ = steve
    adapter.read(SERIAL)
    street.misbehave(fault)
    with pytest.raises(ServiceError):
        adapter.read(SERIAL)

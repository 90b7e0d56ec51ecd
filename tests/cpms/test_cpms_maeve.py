"""MaEVe: profiles from 0, a certificate found by its digest, and writing that replaces."""

import pytest
from vendor_world import certified, password

from station.cpms import Credentials, Rejected, Result
from station.errors import UnitError
from station.records import Withdrawal

SERIAL = "AC22-000001-7"


@pytest.fixture
def maeve(street):
    street.town.maeve.__init__()
    adapter = street.open("maeve")
    yield adapter, street.town.maeve
    adapter.close()


def test_profile_3_is_written_as_2_with_the_certificate(maeve):
    """F-G1: profiles count from 0 there; the certificate is uploaded and found by its digest."""
    adapter, manager = maeve
    unit, chain = certified(SERIAL)
    registration = adapter.register(unit, 1, Credentials(chain=chain))
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    assert manager.stations[SERIAL]["securityProfile"] == 2
    assert list(manager.certificates.values()) == [chain]


def test_profile_2_is_written_as_1_with_the_digest_of_the_password(maeve):
    """F-G5: the clear password is nowhere."""
    adapter, manager = maeve
    unit, chain = certified(SERIAL, security_profile=2)
    given = Credentials(password().password, chain)
    assert [adapter.register(unit, 1, given).result for _ in range(2)] == [Result.CREATED, Result.UNCHANGED]
    assert manager.stations[SERIAL]["securityProfile"] == 1
    assert manager.stations[SERIAL]["base64SHA256Password"] == "Ti4FgtIrEW6jW9y0k4CyfcTduF5jqG1QETZ0KxdE9yU="


def test_a_station_that_is_there_is_never_replaced(maeve):
    """F-G2: its own request would replace profile and password without a word."""
    adapter, manager = maeve
    unit, chain = certified(SERIAL, security_profile=2)
    adapter.register(unit, 1, Credentials(password().password, chain))
    written = manager.written
    with pytest.raises(UnitError, match='password: sent "set", recorded "another"'):
        adapter.register(unit, 1, Credentials(password("another-password-0").password, chain))
    with pytest.raises(UnitError, match="security_profile: sent 3, recorded 2"):
        adapter.register(certified(SERIAL)[0], 1, Credentials(chain=chain))
    assert manager.written == written


def test_a_certificate_that_is_not_the_units_own_is_not_uploaded(maeve):
    adapter, manager = maeve
    unit, _ = certified(SERIAL)
    for chain in ("", certified("AC22-OTHER")[1]):
        with pytest.raises(Rejected, match="needs the certificate"):
            adapter.register(unit, 1, Credentials(chain=chain))
    assert (manager.stations, manager.certificates) == ({}, {})


def test_a_registration_cut_after_the_certificate_is_completed(maeve):
    adapter, manager = maeve
    unit, chain = certified(SERIAL)
    adapter.register(unit, 1, Credentials(chain=chain))
    manager.certificates.clear()
    assert adapter.register(unit, 1, Credentials(chain=chain)).result is Result.UPDATED


def test_nothing_can_be_taken_out(maeve):
    """A person must ask; a unit that is not there needs no asking."""
    adapter, _ = maeve
    unit, chain = certified(SERIAL)
    assert not adapter.withdraw(Withdrawal(SERIAL, 1, "scrapped"))
    adapter.register(unit, 1, Credentials(chain=chain))
    with pytest.raises(Rejected, match="no request by which"):
        adapter.withdraw(Withdrawal(SERIAL, 1, "scrapped"), unit)

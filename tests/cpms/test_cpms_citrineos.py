"""CitrineOS: both versions, column widths, two passwords at a time, and GraphQL's errors with status 200."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from vendor_world import PASSWORD, password

from fixtures.samples import metered_unit, sample_unit
from station.cpms import Rejected, Result
from station.errors import ServiceError, UnitError
from station.records import RevokedCertificate, Withdrawal

QUERY = "?graphql=HERE"


@pytest.fixture(params=[1, 2])
def citrineos(request, street):
    """Yield the adapter of an installation of each version, and the installation."""
    street.town.citrineos.become(request.param)
    adapter = street.open("citrineos", QUERY)
    yield adapter, street.town.citrineos
    adapter.close()


def rows(installation, table):
    return installation.database.rows[table]


def test_a_unit_is_registered_with_outlets_and_boot_status(citrineos):
    """F-G1, F-G6: columns, EVSEs and connectors are those of the record, in both versions."""
    adapter, installation = citrineos
    registration = adapter.register(sample_unit(), 1)
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    assert installation.station("AC22-000001-7")["chargePointSerialNumber"] == "AC22-000001-7"
    assert [
        (row["connectorId"], row["type"], row["maximumPowerWatts"]) for row in rows(installation, "Connectors")
    ] == [
        (1, "IEC62196T2", 22_000),
        (2, "IEC62196T2", 22_000),
    ]
    assert installation.boots[("AC22-000001-7", 1)]["status"] == "Accepted"


def test_sim_and_meter_have_their_columns(citrineos):
    """F-G1: what CitrineOS alone has a place for."""
    adapter, installation = citrineos
    adapter.register(metered_unit(), 1).demand_equal()
    row = installation.station("DC60-000001-9")
    assert (row["iccid"], row["meterSerialNumber"]) == ("89882110000000000010", "2EXC0112345678")
    assert {each["powerType"] for each in rows(installation, "Connectors")} == {"DC"}


def test_the_same_again_changes_nothing(citrineos):
    adapter, installation = citrineos
    first, second = (adapter.register(sample_unit(), 1) for _ in range(2))
    assert (first.result, second.result) == (Result.CREATED, Result.UNCHANGED)
    assert first.read_back == second.read_back
    assert len(rows(installation, "ChargingStations")) == 1


def test_what_is_missing_is_added_and_nothing_is_overwritten(citrineos):
    """F-G2: a registration that was cut in the middle is completed."""
    adapter, installation = citrineos
    adapter.register(sample_unit(), 1)
    rows(installation, "Connectors").pop()
    rows(installation, "Evses").pop()
    installation.boots.clear()
    assert adapter.register(sample_unit(), 1).result is Result.UPDATED
    assert len(rows(installation, "Connectors")) == 2


def test_other_content_is_a_conflict(citrineos):
    """F-G2: the record of another is left alone."""
    adapter, installation = citrineos
    adapter.register(sample_unit(), 1)
    with pytest.raises(UnitError, match=r'vendor: sent "Others", recorded "Example Chargers"'):
        adapter.register(sample_unit(vendor="Others"), 2)
    assert installation.station("AC22-000001-7")["chargePointVendor"] == "Example Chargers"


def test_another_serial_number_under_our_identity_stops_the_unit_before_it_ships(citrineos):
    adapter, installation = citrineos
    adapter.register(sample_unit(), 1)
    adapter.check_free("AC22-000001-7", "ab" * 32)
    installation.station("AC22-000001-7")["chargePointSerialNumber"] = "AC22-OTHER"
    with pytest.raises(UnitError, match="another serial"):
        adapter.check_free("AC22-000001-7", "ab" * 32)


def test_a_password_is_written_once_and_stands_in_no_registration(citrineos):
    """F-G5: `setOnCharger` is true, as the charger has it already."""
    adapter, installation = citrineos
    unit = sample_unit(security_profile=2)
    registrations = [adapter.register(unit, 1, password()) for _ in range(2)]
    assert installation.passwords == {"AC22-000001-7": PASSWORD}
    assert [each.result for each in registrations] == [Result.CREATED, Result.UNCHANGED]
    assert PASSWORD.encode() not in registrations[0].sent + registrations[0].read_back


def test_a_password_that_the_system_does_not_take_is_told_without_it(citrineos):
    """Its answer is 200 with `success: false`."""
    adapter, _ = citrineos
    with pytest.raises(Rejected, match="did not take the password") as problem:
        adapter.register(sample_unit(security_profile=2), 1, password("too:short"))
    assert "too:short" not in f"{problem.value!r}{problem.value.__cause__!r}"


def test_a_unit_that_needs_a_password_is_not_registered_without(citrineos):
    adapter, installation = citrineos
    with pytest.raises(Rejected, match="none is at hand"):
        adapter.register(sample_unit(security_profile=2), 1)
    assert rows(installation, "ChargingStations") == []


def test_no_more_than_two_are_under_way(citrineos):
    """With three at a time it answers 500."""
    adapter, installation = citrineos
    installation.most_entering = 0
    units = [sample_unit(f"AC22-{number:06}", security_profile=2) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda unit: adapter.register(unit, 1, password()).result, units))
    assert results == [Result.CREATED] * 8
    assert installation.most_entering <= adapter.limits.at_once == 2


@pytest.mark.parametrize("changes", [{"vendor": "V" * 21}, {"model": "M" * 21}, {"firmware": "1" * 51}])
def test_what_does_not_fit_is_refused_and_never_cut_off(citrineos, changes):
    adapter, installation = citrineos
    with pytest.raises(Rejected, match="there is room for"):
        adapter.register(sample_unit(**changes), 1)
    assert rows(installation, "ChargingStations") == []


def test_an_outlet_without_a_name_there_is_refused(citrineos):
    adapter, _ = citrineos
    unit = sample_unit()
    odd = replace(unit, connectors=(replace(unit.connectors[0], type="wInductive"),))
    with pytest.raises(Rejected, match="outlet A is a wInductive"):
        adapter.register(odd, 1)


def test_withdrawn_twice_is_gone_once(citrineos):
    """F-L4."""
    adapter, installation = citrineos
    notice = Withdrawal("AC22-000001-7", 1, "scrapped")
    unit = sample_unit(security_profile=2)
    adapter.register(unit, 1, password())
    assert [adapter.withdraw(notice, unit) for _ in range(2)] == [True, False]
    assert [rows(installation, name) for name in ("ChargingStations", "Evses", "Connectors")] == [[], [], []]
    assert adapter.read("AC22-000001-7") is None


def test_it_has_no_place_for_revoked_certificates(citrineos):
    adapter, _ = citrineos
    with pytest.raises(Rejected, match="can't be told"):
        adapter.revoke(RevokedCertificate("AC22-000001-7", "0A1B", "keyCompromise", "ship"))


def test_health_says_which_version_it_is(citrineos):
    adapter, installation = citrineos
    assert adapter.health().notes == (f"version {installation.version} by its tables, tenant 1",)


def test_a_wrong_secret_is_told_as_such(street):
    """Hasura says so with status 200."""
    with pytest.raises(ServiceError, match="refuses the access token"):
        street.open("citrineos", f"{QUERY}&auth=admin-secret", "another").read("AC22-000001-7")

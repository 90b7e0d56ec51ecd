"""AMPECO, Monta and GreenFlux from their documentation, and what all vendors' adapters have in common."""

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from vendor_world import PASSWORD, TOKEN, certified, password

from fixtures.samples import metered_unit, sample_unit
from station.cpms import ADAPTERS, Credentials, Rejected, Result, check_passwords, open_cpms
from station.errors import ConfigError, ServiceError, StationError, UnitError
from station.records import Withdrawal

SERIAL = "AC22-000001-7"
QUERIES = {
    "citrineos": "?graphql=HERE",
    "maeve": "",
    "steve": "",
    "ampeco": "?location=12",
    "monta": "?team=1&site=2&models=AC22=77,DC60=78",
    "greenflux": "?location=STOCK&path=/greenflux",
}


@pytest.fixture
def opened(street):
    """Return adapters of fresh stand-ins, which the test may look into."""
    adapters = []

    def open_one(scheme):
        stand_in = getattr(street.town, scheme)
        arguments = () if scheme == "maeve" else (TOKEN,)
        stand_in.__init__(*arguments)
        adapters.append(street.open(scheme, QUERIES[scheme]))
        return adapters[-1], stand_in

    yield open_one
    for adapter in adapters:
        adapter.close()


@pytest.fixture(params=QUERIES)
def each(request, opened):
    return opened(request.param)


def test_ampeco_gets_identity_location_and_outlets(opened):
    """F-G1, F-G6, P17: disabled at the stock location; the operator decides the rest."""
    adapter, tenant = opened("ampeco")
    registration = adapter.register(sample_unit(security_profile=2), 1, password())
    (point,) = tenant.points.values()
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    assert (point["network"], point["status"]) == ({"id": SERIAL, "protocol": "ocpp 2.0.1"}, "disabled")
    assert tenant.passwords == {SERIAL: PASSWORD}
    assert [evse["networkId"] for evse in point["evses"].values()] == ["1", "2"]


def test_ampeco_is_completed_after_a_break_and_never_changed(opened):
    """F-G2: what is there stays as it is."""
    adapter, tenant = opened("ampeco")
    adapter.register(sample_unit(), 1)
    (point,) = tenant.points.values()
    point["evses"].popitem()[1]["connectors"].clear()
    assert adapter.register(sample_unit(), 1).result is Result.UPDATED
    next(iter(point["evses"].values()))["powerOptions"]["maxPower"] = 11_000
    with pytest.raises(UnitError, match=r"outlets\[0\].max_power_w: sent 22000, recorded 11000"):
        adapter.register(sample_unit(), 1)


def test_ampeco_names_the_fields_that_it_refuses(opened, street):
    opened("ampeco")
    with pytest.raises(Rejected, match="locationId"):
        street.open("ampeco", "?location=13").register(sample_unit(), 1)


def test_monta_has_a_charge_point_for_each_outlet(opened):
    """F-G1: pending, as nothing is in the field; the password is where Monta has its place."""
    adapter, operator = opened("monta")
    registration = adapter.register(sample_unit(security_profile=2), 1, password())
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    assert sorted(point["name"] for point in operator.points.values()) == [f"{SERIAL} A", f"{SERIAL} B"]
    assert {each["state"] for each in operator.integrations.values()} == {"pending"}
    assert {each["password"] for each in operator.integrations.values()} == {PASSWORD}


def test_monta_never_replaces_an_integration(opened):
    """Its PUT would replace the one that is there, password and all."""
    adapter, operator = opened("monta")
    adapter.register(sample_unit(), 1)
    next(iter(operator.integrations.values()))["serialNumber"] = "AC22-OTHER"
    with pytest.raises(UnitError, match=r'outlets\[0\].serial: sent "AC22-000001-7", recorded "AC22-OTHER"'):
        adapter.register(sample_unit(), 1)
    operator.integrations.popitem()
    assert operator.replaced == 0


def test_monta_gets_what_is_missing(opened):
    adapter, operator = opened("monta")
    adapter.register(sample_unit(), 1)
    operator.integrations.popitem()
    registration = adapter.register(sample_unit(), 1)
    assert (registration.result, registration.state, operator.replaced) == (Result.UPDATED, "equal", 0)


def test_monta_is_signed_in_to_again_before_its_token_ends(opened):
    adapter, operator = opened("monta")
    operator.lifetime = timedelta(minutes=1)
    adapter.read(SERIAL)
    adapter.read(SERIAL)
    operator.tokens.clear()
    assert adapter.read(SERIAL) is None
    assert operator.sign_ins == 3


def test_monta_needs_its_number_of_the_model(opened):
    adapter, operator = opened("monta")
    with pytest.raises(Rejected, match="number of the model AC11 is not known"):
        adapter.register(sample_unit(model="AC11"), 1)
    assert operator.points == {}


def test_greenflux_takes_a_unit_into_stock_with_an_unassigned_tariff(opened):
    """F-G4: tariff unassigned; F-G1: outlets as OCPI has them."""
    adapter, platform = opened("greenflux")
    registration = adapter.register(metered_unit(), 1)
    station = platform.stations["DC60-000001-9"]
    assert (registration.result, registration.state) == (Result.CREATED, "equal")
    assert (station["deployment_state"], station["default_tariff_code"]) == ("stock", "unassigned")
    assert station["evses"][1]["connectors"][0]["standard"] == "IEC_62196_T2_COMBO"


def test_greenflux_brings_back_what_was_withdrawn(opened):
    """It deletes nothing: a withdrawn station is deprecated, and a reworked one is in stock again."""
    adapter, platform = opened("greenflux")
    adapter.register(sample_unit(), 1)
    assert adapter.withdraw(Withdrawal(SERIAL, 1, "rework"), sample_unit())
    assert platform.stations[SERIAL]["deployment_state"] == "deprecated"
    assert adapter.register(sample_unit(), 2).state == "equal"
    assert platform.stations[SERIAL]["deployment_state"] == "stock"


def test_a_station_that_was_not_seen_at_first_is_compared_and_not_overwritten(opened):
    """A read that lags behind: creating says 409, and looking again tells whose it is."""
    adapter, platform = opened("greenflux")
    adapter.register(sample_unit(), 1)
    platform.unseen = 2
    assert adapter.register(sample_unit(), 1).result is Result.UNCHANGED
    platform.stations[SERIAL]["evses"][0]["connectors"][0]["max_amperage"] = 16
    platform.unseen = 2
    with pytest.raises(UnitError, match=r"outlets\[0\].max_amperage: sent 32, recorded 16"):
        adapter.register(sample_unit(), 1)


def test_what_the_operator_decided_since_is_no_difference(opened):
    """P17: that a unit is in the field now is nobody's conflict."""
    adapter, platform = opened("greenflux")
    adapter.register(sample_unit(), 1)
    platform.stations[SERIAL] |= {"deployment_state": "production", "default_tariff_code": "T1"}
    assert adapter.register(sample_unit(), 1).result is Result.UNCHANGED


def test_no_place_for_a_password_is_told_before_anything_is_built(opened):
    """F-G5: at configuration time; and never registered without."""
    adapter, platform = opened("greenflux")
    with pytest.raises(ConfigError, match="no place for the password"):
        check_passwords("greenflux+https://cpms.example?location=X", 2)
    check_passwords("greenflux+https://cpms.example?location=X", 3)
    with pytest.raises(Rejected, match="no place for the password"):
        adapter.register(sample_unit(security_profile=2), 1, password())
    assert platform.stations == {}


UNIT, CHAIN = certified(SERIAL)


def register(adapter):
    return lambda: adapter.register(UNIT, 1, Credentials(chain=CHAIN))


def test_every_adapter_registers_once_and_finds_it_again(each):
    """F-G2, F-G3: created, unchanged, and no difference in what is read."""
    adapter, _ = each
    again = register(adapter)
    assert [again().result for _ in range(2)] == [Result.CREATED, Result.UNCHANGED]
    kept = adapter.read(SERIAL)
    assert kept.serial == SERIAL
    assert adapter.differences(UNIT, kept) == ()


@pytest.mark.parametrize("scheme", ["citrineos", "ampeco", "monta", "greenflux"])
def test_a_report_names_what_differs(opened, scheme):
    """Ours against theirs, field by field, also where they could not be told apart by the read alone."""
    adapter, _ = opened(scheme)
    register(adapter)()
    stronger = replace(UNIT, connectors=tuple(replace(each, max_power_w=11_000) for each in UNIT.connectors))
    found = adapter.differences(stronger, adapter.read(SERIAL))
    assert [line.partition(":")[0].partition(".")[0] for line in found] == ["outlets[0]", "outlets[1]"]


@pytest.mark.parametrize("cut", [1, 2, 4, 7])
def test_answers_that_break_off_double_nothing(each, street, cut):
    """F-G2: what was asked is done, the answer was not heard; the next try finds it and goes on."""
    adapter, _ = each
    again = register(adapter)
    street.misbehave(f"cut-answer {cut}")
    for _ in range(cut):
        with suppress(ServiceError):
            again()
    assert again().state == "equal"
    assert again().result is Result.UNCHANGED


@pytest.mark.parametrize("scheme", QUERIES)
def test_limits_are_those_of_the_table(scheme):
    """Bounded concurrency and rate are data of each adapter."""
    adapter = open_cpms(f"{scheme}+https://h.example{QUERIES[scheme].replace('HERE', 'h.example')}", lambda: TOKEN)
    assert adapter.limits == ADAPTERS[scheme].limits
    assert ADAPTERS[scheme].evidence == "untested against a live system"


@pytest.mark.parametrize("fault", ["garbage", "empty", "huge", "redirect", "error"])
def test_nonsense_is_an_error_of_the_station_and_never_a_registration(each, street, fault):
    """HTML, nothing, too much, elsewhere and 500: no unit is blamed and none is taken for registered."""
    adapter, _ = each
    again = register(adapter)
    street.misbehave(fault)
    with pytest.raises(ServiceError) as problem:
        again()
    assert not problem.value.stops_line
    street.misbehave("none")
    assert again().state == "equal"


LIES = [
    "null",
    "[]",
    "1e400",
    '"text"',
    '{"data": null}',
    '{"data": [null, 1, {}]}',
    '{"id": "SERIAL", "evses": [{"uid": {}, "connectors": [[]]}, 7]}',
    '{"data": {"id": "SERIAL", "evses": {"a": 1}}}',
    '{"data": [{"network": {"id": "SERIAL"}}]}',
    '{"data": [{"id": "../../x", "network": {"id": "SERIAL"}, "partnerExternalId": "SERIAL"}]}',
    '{"data": [{"id": 7, "chargePointId": 7, "networkId": {}, "name": [], "maxKw": 1e400,'
    ' "partnerExternalId": "SERIAL", "network": {"id": "SERIAL"},'
    ' "partnerCustomPayload": {"serial": {"a": 1}, "revision": "x"}}]}',
    '{"data": {"ChargingStations": [{"id": {}, "Evses": [{"evseTypeId": {}, "Connectors": [{"type": []}]}]}]}}',
    '{"errors": [{"message": 7}], "success": true, "securityProfile": [], "base64SHA256Password": {}}',
    '{"accessToken": 1, "accessTokenExpirationDate": [], "status": {"a": 1}}',
    '<input name="_csrf"/><a href="/manager/chargepoints/details/9">SERIAL</a><textarea name="note">revision=x',
    '<input name="_csrf"/><![odd[ <div class="error"><li>\x07',
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_answers_of_any_shape_are_errors_or_differences(each, street, lie):
    """Whatever comes, it is an error of ours to tell, and never a crash or an equal read-back."""
    adapter, _ = each
    again = register(adapter)
    adapter.read(SERIAL)
    street.town.instead = lie.replace("SERIAL", SERIAL).encode()
    verbs = (again, lambda: adapter.read(SERIAL), lambda: adapter.check_free(SERIAL, "ab" * 32), adapter.health)
    for verb in (*verbs, lambda: adapter.withdraw(Withdrawal(SERIAL, 1, "scrapped"), UNIT)):
        with suppress(StationError):
            assert getattr(verb(), "state", "other") != "equal"


def test_an_identity_that_is_not_the_serial_number_is_refused(each):
    adapter, _ = each
    with pytest.raises(Rejected, match="has the identity CP-1"):
        adapter.register(sample_unit(ocpp_identity="CP-1"), 1)


def test_health_asks_and_changes_nothing(each):
    adapter, _ = each
    health = adapter.health()
    assert health.system
    assert health.notes
    assert adapter.read(SERIAL) is None


def test_neither_token_nor_password_is_in_a_log_or_an_error(opened, street, caplog):
    """F-G5: at the most talkative level, over all adapters that take one."""
    for talkative in ("", "httpx", "httpcore", "station"):
        caplog.set_level(logging.DEBUG, logger=talkative)
    shown = ""
    for scheme in ("citrineos", "steve", "ampeco", "monta"):
        adapter, _ = opened(scheme)
        adapter.register(sample_unit(security_profile=2), 1, password())
        street.misbehave("garbage")
        with pytest.raises(ServiceError) as problem:
            adapter.register(sample_unit("AC22-000002", security_profile=2), 1, password())
        street.misbehave("none")
        shown += f"{adapter!r}{problem.value!r}{problem.value.__cause__!r}"
    assert "127.0.0.1" in caplog.text
    assert not any(secret in caplog.text + shown for secret in (PASSWORD, TOKEN, TOKEN.partition(":")[2]))


@pytest.mark.parametrize(
    "uri",
    [
        "citrineos+https://cpms.example",
        "citrineos+https://cpms.example?graphql=h:1&auth=hunter2",
        "maeve+https://cpms.example?token=hunter2",
        "ampeco+https://cpms.example?location=zero",
        "monta+https://cpms.example?team=1&site=2&models=AC22",
        "monta+https://cpms.example?team=1&site=2",
        "greenflux+https://cpms.example",
        "greenflux+http://cpms.example?location=A",
        "steve:https://cpms.example",
        "steve+ftp://cpms.example",
        "steve+https://[hunter2",
        "citrineos+https://cpms.example?graphql=[hunter2",
        "ampeco+https://cpms.example:hunter2?location=12",
    ],
)
def test_a_wrong_uri_is_refused_at_load(uri):
    with pytest.raises(ConfigError, match=r"environment\.cpms") as problem:
        open_cpms(uri, lambda: TOKEN)
    assert "hunter2" not in str(problem.value)

"""F-G9: a unit that is not registered is not let in by the staging CPMS; one that is, is found by its identity."""

import json
from base64 import b64encode

import pytest
from test_cpms_staging import PASSWORD, password
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from station.records import Withdrawal

BOOT = [2, "1", "BootNotification", {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}]


def boots(staging, identity, *, version="ocpp2.0.1", **headers):
    """Connect as a charger does, and return what its boot is answered with, or the status that refuses it."""
    place = f"ws{staging.url.removeprefix('http')}/ocpp/{identity}"
    try:
        with connect(place, subprotocols=[version], additional_headers=headers, proxy=None) as socket:
            socket.send(json.dumps(BOOT))
            return json.loads(socket.recv(timeout=10))[2]["status"]
    except InvalidStatus as refused:
        return refused.response.status_code


def basic(identity, secret):
    return {"Authorization": "Basic " + b64encode(f"{identity}:{secret}".encode()).decode()}


def test_only_who_is_registered_gets_in(staging, cpms, unit):
    """Before registration nobody, after it the unit, after its withdrawal nobody again."""
    assert boots(staging, unit.serial) == 403
    cpms.register(unit, 1)
    assert boots(staging, unit.serial) == "Accepted"
    cpms.withdraw(Withdrawal(unit.serial, 1, "scrapped"))
    assert boots(staging, unit.serial) == 403


@pytest.mark.parametrize("change", [str.lower, lambda text: text + "%2F", lambda text: text[:-1]])
def test_an_identity_that_is_almost_the_registered_one_is_another(staging, cpms, unit, change):
    cpms.register(unit, 1)
    assert boots(staging, change(unit.serial)) == 403


def test_another_version_than_the_registered_one_is_refused(staging, cpms, unit):
    cpms.register(unit, 1)
    assert boots(staging, unit.serial, version="ocpp1.6") == 403


def test_profile_2_needs_the_password_that_was_registered(staging, cpms, unit, another):
    """F-G5: a hash is enough to let the right one in, and nobody else."""
    cpms.register(another(unit, security_profile=2), 1, password())
    assert boots(staging, unit.serial, **basic(unit.serial, PASSWORD)) == "Accepted"
    wrong = [{}, basic(unit.serial, PASSWORD + "x"), basic("AC22-OTHER", PASSWORD), {"Authorization": "Basic ????"}]
    assert [boots(staging, unit.serial, **each) for each in wrong] == [403] * 4

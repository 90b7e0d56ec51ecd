"""What is not proven ours is neither taken out nor written over, and a password is opened only to be written."""

from dataclasses import replace

import pytest
from test_cpms_vendors import QUERIES, SERIAL, opened
from vendor_world import PASSWORD, certified

from fixtures.samples import sample_unit
from pki.passwords import Password
from station.cpms import Credentials, Rejected, Result, open_cpms
from station.errors import ServiceError, UnitError
from station.records import Withdrawal

__all__ = ["opened"]
DELETING = ["citrineos", "steve", "ampeco", "monta", "greenflux"]
NOTICE = Withdrawal(SERIAL, 1, "scrapped")
THEIRS = {"endpoint": "wss://other.example/ocpp", "outlets": 1, "certificate_sha256": "ab" * 32}


@pytest.fixture(params=DELETING)
def deleting(request, opened):
    return opened(request.param)[0]


def test_what_another_registered_is_not_taken_out(deleting):
    """F-G2, F-L4: our registration was a conflict, the unit is scrapped, and the operator keeps its charge point."""
    deleting.register(sample_unit(**THEIRS), 1)
    kept = deleting.read(SERIAL)
    for sent in (sample_unit(), None):
        with pytest.raises(Rejected, match=f"another record of {SERIAL} than ours; nothing was taken out"):
            deleting.withdraw(NOTICE, sent)
    assert deleting.read(SERIAL) == kept


def test_what_is_ours_is_taken_out(deleting):
    deleting.register(sample_unit(), 1)
    assert [deleting.withdraw(NOTICE, sample_unit()) for _ in range(2)] == [True, False]
    assert deleting.read(SERIAL) is None


def test_what_says_little_is_not_proven_ours(opened):
    """An operator's point with our identity and nothing else contradicts nothing."""
    adapter, tenant = opened("ampeco")
    adapter.register(sample_unit(), 1)
    (point,) = tenant.points.values()
    point.pop("externalId")
    point["evses"].clear()
    with pytest.raises(Rejected, match="another record"):
        adapter.withdraw(NOTICE, sample_unit())
    assert list(tenant.points.values()) == [point]


def test_a_part_with_our_certificate_is_ours(opened):
    """A registration that was cut in the middle is taken out where it is marked as ours."""
    adapter, operator = opened("monta")
    adapter.register(sample_unit(), 1)
    operator.integrations.popitem()
    assert adapter.withdraw(NOTICE, sample_unit())
    assert (operator.points, operator.integrations) == ({}, {})


def test_a_registry_of_our_own_kind_keeps_another_certificate_too(tmp_path, unit, another):
    """The same number from two stations: the one that lost takes nothing out."""
    folder = open_cpms("file:out", lambda: "", tmp_path)
    folder.register(another(unit, certificate_sha256="ab" * 32), 1)
    with pytest.raises(Rejected, match="nothing was taken out"):
        folder.withdraw(Withdrawal(unit.serial, 1, "scrapped"), unit)
    assert folder.read(unit.serial).revision == 1
    assert folder.withdraw(Withdrawal(unit.serial, 1, "scrapped"), another(unit, certificate_sha256="AB" * 32))


@pytest.mark.parametrize("state", ["production", "deprecated"])
def test_greenflux_keeps_a_station_of_the_operator(opened, state):
    """F-G2: it has no outlets yet, which is no reason to give it ours and to put it into stock."""
    adapter, platform = opened("greenflux")
    theirs = {"id": SERIAL, "location_id": "STOCK", "default_tariff_code": "T1", "deployment_state": state, "evses": []}
    platform.stations[SERIAL] = dict(theirs)
    with pytest.raises(Rejected, match="from elsewhere"):
        adapter.register(sample_unit(), 1)
    assert platform.stations[SERIAL] == theirs


class Opened:
    """Counts how often a password is opened, which the HSM does and an audit log tells."""

    def __init__(self, chain=""):
        self.times = 0
        self.credentials = Credentials(self.open, chain)

    def open(self):
        self.times += 1
        return Password(PASSWORD)


@pytest.mark.parametrize("scheme", ["citrineos", "steve", "ampeco", "monta"])
def test_a_password_is_opened_once_to_be_written_and_never_else(opened, scheme):
    """F-G5: not for a unit that is there already, nor for one that is another's."""
    adapter, _ = opened(scheme)
    unit, hsm = sample_unit(security_profile=2), Opened()
    assert [adapter.register(unit, 1, hsm.credentials).result for _ in range(2)] == [Result.CREATED, Result.UNCHANGED]
    other = replace(unit, vendor="Others", connectors=unit.connectors[:1])
    with pytest.raises(UnitError):
        adapter.register(other, 1, hsm.credentials)
    assert hsm.times == 1


@pytest.mark.parametrize("scheme", ["citrineos", "maeve", "steve", "ampeco", "monta"])
def test_no_password_is_opened_for_a_cpms_that_is_away(scheme):
    unit, chain = certified(SERIAL, security_profile=2)
    hsm = Opened(chain)
    adapter = open_cpms(f"{scheme}+http://127.0.0.1:9{QUERIES[scheme].replace('HERE', '127.0.0.1:9')}", lambda: "a:b")
    with pytest.raises(ServiceError, match="is away"):
        adapter.register(unit, 1, hsm.credentials)
    assert hsm.times == 0

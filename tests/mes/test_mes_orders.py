"""What the MES orders becomes a work order by the station's own import, and `station mes` tells how it stands."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from mes_world import Desk, job

from station.cli import main
from station.config import load_station
from station.errors import ConfigError
from station.identifiers import Kind
from station.mes import Caller, open_mes
from station.mes.clerk import Clerk
from station.mes.orders import StationOrders
from station.records import OrderState, open_records, upgrade
from tests.station.cli_world import alone

OWN = {"prefix": "AC22-", "serials_from": "station", "numbers": {"mac": ["00:11:22:AA:BB:01", "00:11:22:AA:BB:02"]}}
JOB = job("WO-77", Router="ac22-eu", RouterRevision="1", PartNumber="ac22", Customer="Customer One", Station=OWN)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A station directory with catalogue, people, PKI and an approved bundle."""
    return alone(tmp_path_factory.mktemp("orders"))


@pytest.fixture
def config(line, tmp_path):
    config = load_station(line)
    config = replace(config, station=replace(config.station, database=f"sqlite:///{tmp_path / 'orders.db'}"))
    upgrade(config.database_url)
    return config


@pytest.fixture
def books(config):
    with open_records(config.database_url, config.station.id) as records:
        yield records


@pytest.fixture
def desk(config, books):
    return StationOrders(config, books, lambda: False)


def test_a_job_becomes_a_work_order_with_its_numbers(desk, books):
    """F-A4: pinned to the approved bundle, its numbers in the pool, made on behalf of the MES; twice is once."""
    desk.create(JOB, "service:mes")
    assert "nothing changes" in desk.create(JOB, "service:mes")
    (order,) = books.orders()
    assert (order.id, order.quantity, order.bundle, order.customer) == ("WO-77", 5, "ac22-eu-r1", "Customer One")
    assert order.allocates
    assert len(books.known_identifiers(Kind.MAC, ["001122AABB01", "001122AABB02"])) == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"PartNumber": "dc60"}, "dc60"),
        ({"RouterRevision": "9"}, "ac22-eu-r9"),
        ({"Station": {**OWN, "numbers": {"mac": ["00:11:22:AA:BB"]}}}, "MAC|mac"),
        ({"Station": {**OWN, "environment": "bench-test"}}, "bench-test"),
    ],
)
def test_a_job_that_can_not_be_built_makes_nothing(desk, books, change, problem):
    """F-A7: wrong product, unknown bundle, a number that is none: refused at the door, and nothing of it is kept."""
    with pytest.raises(ConfigError) as refused:
        desk.create({**JOB, **change}, "service:mes")
    assert any(word in str(refused.value.problems) for word in problem.split("|"))
    assert books.orders() == ()


def test_the_mes_pauses_opens_and_closes_its_orders(desk, books):
    """Each edit has a name and a reason; the same again is no edit, and a closed order stays closed."""
    desk.create(JOB, "service:mes")
    for state in (OrderState.PAUSED, OrderState.PAUSED, OrderState.OPEN, OrderState.CLOSED):
        assert desk.set_state("WO-77", state, "The MES says so.", "service:mes") == f"Work order WO-77 is {state}."
    assert books.order("WO-77").version == 4
    with pytest.raises(ConfigError, match="closed"):
        desk.set_state("WO-77", OrderState.OPEN, "The MES says so.", "service:mes")


def test_station_mes_tells_how_it_stands(line):
    """`station mes status|messages|report`: what waits, what was said of each message, and what differed."""
    config = load_station(line)
    with open_records(config.database_url, config.station.id) as records:
        office = open_mes(replace(config.mes, uri="file:mes"), records, Desk(), Caller(str, line))
        assert records.mes_depth() == 0
        report = {"since": "a", "until": "b", "runs": 1, "messages": 2, "sent_again": 0, "quarantined": 1}
        refused = [{"unit": "AC22-000001", "run": "line1/1", "sentence": "Recalled."}]
        records.event("mes-reconciled", config.station.id, report | {"refused": refused}, "station")
        Clerk(records, office.mes, Desk(), config.station.id).tell()
    run = CliRunner().invoke
    status = run(main, ["mes", "status", "--dir", str(line), "--json"])
    assert json.loads(status.output)["waiting"] == 1
    assert "StationStateChanged" in run(main, ["mes", "messages", "--dir", str(line)]).output
    assert (
        "AC22-000001               in quarantine: Recalled." in run(main, ["mes", "report", "--dir", str(line)]).output
    )

"""The same line for other hardware and other key origins: what they cannot prove stands in the passport."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.charger.options import Options
from fixtures.charger.process import read_state
from fixtures.checker import Books
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from station.config import load_station
from station.records import open_records
from tests.line.conftest import QUICK

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=["ac22-basic-eu", "ac22-device-key-eu"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Result]]:
    """Make one unit of a recipe."""
    place = Place(tmp_path_factory.mktemp("line"), 1, recipe=request.param, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 1)
    with World(place, addresses) as world:
        options = replace(Options(Path(), Path(), ""), **QUICK)
        crew = Crew(world, iter([Job(1, place.serial(1), options)]))
        crew.work(["1"], 120)
        yield world, crew.results[0]


def test_unit_is_released(made: tuple[World, Result]) -> None:
    """F-D1: a key born on the device, with proof of possession, is the second way."""
    world, result = made
    assert (result.outcome, result.reason) == ("PASS", "")
    assert read_state(world.place.charger(1)).locked


def test_passport_says_what_was_not_proven(made: tuple[World, Result]) -> None:
    """Baseline hardware: what it cannot prove stands in the record."""
    world, result = made
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        passport = records.passport(result.serial)
    assert passport is not None
    document = passport.document.decode()
    assert json.loads(document)["certificate"]["key_origin"] == "device"
    assert ("One key slot only" in document) is ("basic" in world.place.recipe)


def test_device_holds_the_key_of_its_ship_certificate(made: tuple[World, Result]) -> None:
    """F-D4: the installed certificate is of the key that was born on the device."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    world, _ = made
    state = read_state(world.place.charger(1))
    certificate = x509.load_der_x509_certificate(state.certificates["ship"])
    assert certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == state.keys["ship"]


def test_certificate_was_renewed_on_the_line(made: tuple[World, Result]) -> None:
    """F-D9: both OCPP versions; the old test certificate is revoked, the ship certificate is of its first key."""
    world, result = made
    books = Books(world.place.directory)
    rows = books.ledger(
        "SELECT environment, version, coalesce(revocations.reason, '') FROM keys JOIN claims ON claims.key_id = keys.id"
        " LEFT JOIN revocations ON revocations.serial = claims.serial WHERE unit = ? ORDER BY environment, version",
        result.serial,
    )
    assert rows == [("ship", 1, ""), ("test", 1, "superseded"), ("test", 2, "")]
    (event,) = books.station("SELECT certificate_serial FROM certificate_event WHERE kind = 'renewed'")
    assert event in books.ledger("SELECT serial FROM claims JOIN keys ON keys.id = claims.key_id WHERE version = 2")

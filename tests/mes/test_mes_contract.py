"""The contract itself: its page, its folders, its TLS, and what an order of the MES becomes."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mes_world import TOKEN, Desk, Floor, Reference, envelope, job

from fixtures.mes.words import REQUIRED
from station.board import Board
from station.config import MesSection
from station.errors import ConfigError, ServiceError
from station.mes import Caller, NoMes, open_mes
from station.mes.contract import Name, parse_envelope
from station.mes.orders import rows_of
from station.mes.rest import open_rest
from station.model import LineView
from station.records import RunRequest
from station.trust import ClientIdentity

PAGE = Path(__file__).parents[2] / "station" / "mes" / "README.md"


def test_the_page_and_the_reference_know_every_message():
    """README.md names what the station sends, and the reference, which was written from the standard, takes it."""
    text = PAGE.read_text()
    assert [name.short for name in Name if name.short not in text and name is not Name.OPERATOR_VALIDATED] == []
    asked = {Name.ORDERS, Name.VALIDATE_UNITS, Name.VALIDATE_OPERATOR, Name.UNITS_VALIDATED, Name.OPERATOR_VALIDATED}
    assert set(Name) - asked == set(REQUIRED)


def test_what_the_page_shows_is_taken():
    """The examples of the page are what they say they are."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert parse_envelope(blocks[0]).name == Name.WORK_STARTED
    rows = rows_of(blocks[1])
    assert rows[0] == {
        "order": "WO-4711",
        "quantity": "220",
        "bundle": "ac22-eu-r3",
        "product": "ac22",
        "customer": "Customer One",
        "prefix": "AC22-",
        "first": "1",
        "check": "mod37-36",
        "serials_from": "station",
        "environment": "field",
    }
    assert rows[1:] == [
        {"order": "WO-4711", "mac": "00:11:22:AA:BB:01"},
        {"order": "WO-4711", "iccid": "89490200001234567892"},
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Quantity": 2.5}, "Quantity is no whole number"),
        ({"Quantity": "5"}, "Quantity is no whole number"),
        ({"Quantity": float("inf")}, "Quantity is no whole number"),  # what `1e999` is read as
        ({"PartNumber": ["ac22"]}, "PartNumber is no text"),
        ({"Customer": "x" * 200}, "Customer is no text of at most 128"),
        ({"Station": "AC22-"}, "Station is no object"),
        ({"Station": {"numbers": {"mac": "02"}}}, "numbers is no object of lists"),
        ({"WorkOrderIdentifier": {}}, "names no work order"),
    ],
)
def test_a_job_of_another_form_is_refused(change, sentence):
    """F-A7: refused where it comes in, with the member that is wrong."""
    with pytest.raises(ConfigError, match=sentence):
        rows_of(job("WO-1") | change)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"MessageName": "CFX.Heartbeat"},
        envelope("", {}),
        envelope("A\x00B", {}),
        envelope("CFX.Heartbeat", []),
        envelope("CFX.Heartbeat", {}) | {"UniqueID": "1"},
        envelope("CFX.Heartbeat", {}) | {"TimeStamp": 7},
    ],
)
def test_what_is_no_envelope_is_refused(value):
    """Nothing of the other side is believed before it was looked at."""
    with pytest.raises(ValueError, match="without"):
        parse_envelope(value)


@pytest.fixture
def shared(records, tmp_path, station):
    """A station whose MES shares a folder."""
    section = MesSection(uri="file:mes")
    office = open_mes(section, records, Desk(), Caller(lambda: TOKEN, tmp_path))
    floor = Floor(records, office.mes, section, station)
    floor.folder = tmp_path / "mes"
    return floor


def acknowledge(folder, **said):
    """Confirm every file that the station dropped, as the other side does."""
    for place in sorted((folder / "out").glob("*.json")):
        place.with_suffix(".ack").write_text(json.dumps(said or {"result": "kept"}))


def drop(folder, name, content):
    part = folder / "in" / f"{name}.tmp"
    part.write_text(content)
    part.rename(folder / "in" / f"{name}.json")


def advance(*units):
    told = [{"UniqueIdentifier": unit, "Result": "Passed", "Message": "OK"} for unit in units]
    return json.dumps(envelope(Name.UNITS_VALIDATED, {"Result": {"Result": "Success"}, "ValidationResults": told}))


def test_a_folder_gets_messages_in_order_and_they_are_done_once_confirmed(shared):
    """Store and forward by files: whole or not at all, named by their order, done with their `.ack`."""
    drop(shared.folder, "1", advance("a1"))
    shared.work()
    shared.build(shared.begin("a1"))
    shared.work()
    files = sorted((shared.folder / "out").glob("*.json"))
    names = [json.loads(file.read_text())["MessageName"].rpartition(".")[2] for file in files]
    assert names[:3] == ["StationStateChanged", "UnitsArrived", "WorkStarted"]
    assert shared.records.mes_depth() == len(files)
    acknowledge(shared.folder)
    shared.work()
    assert shared.records.mes_depth() == 0
    assert len(list((shared.folder / "out" / "done").glob("*.json"))) == len(files)


def test_a_folder_that_refuses_says_why(shared):
    """A refusal is kept with its reason, and the file is put where somebody looks."""
    shared.clerk.tell()
    shared.clerk.deliver()
    acknowledge(shared.folder, result="refused", reason="unknown station")
    assert shared.clerk.deliver() == ("StationStateChanged: unknown station",)
    assert len(list((shared.folder / "out" / "refused").glob("*.json"))) == 1


def test_half_a_file_waits_and_nonsense_is_put_aside(shared):
    """`.tmp` is not read; what is no message is refused and holds up nothing; the same again is confirmed again."""
    (shared.folder / "in" / "0.tmp").write_text(advance("b0")[:40])
    for name, content in (("1", "<xml/>"), ("2", advance("b1")), ("3", json.dumps([1]))):
        drop(shared.folder, name, content)
    again = (shared.folder / "in" / "2.json").read_text()
    shared.clerk.listen()
    drop(shared.folder, "4", again)
    shared.clerk.listen()
    acks = {file.stem: json.loads(file.read_text()) for file in (shared.folder / "in").glob("*.ack")}
    assert {name: ack["result"] for name, ack in acks.items()} == {
        "1": "refused",
        "2": "accepted",
        "3": "refused",
        "4": "accepted",
    }
    assert (acks["1"]["reason"], acks["4"]["reason"]) == ("The file is not JSON.", "It came before.")
    assert (shared.folder / "in" / "0.tmp").exists()


def test_a_folder_that_nobody_reads_counts_as_away(shared):
    """No confirmation for too long: the alarm says whom to ask."""
    impatient = replace(shared.clerk, mes=replace(shared.mes, patience=-1.0))
    impatient.tell()
    with pytest.raises(ServiceError, match="confirms nothing") as away:
        impatient.deliver()
    assert away.value.hint == "Ask the MES team why it does not take the files."


def test_a_folder_that_is_gone_counts_as_away(shared):
    """An unmounted share is no crash."""
    shutil.rmtree(shared.folder)
    shared.clerk.tell()
    with pytest.raises(ServiceError, match="is away: No such file"):
        shared.clerk.deliver()


def test_without_an_mes_there_is_a_null_object(records):
    """Off by default: nothing is asked, nothing noted, nothing told."""
    office = open_mes(MesSection(), records, Desk(), Caller(lambda: ""))
    office.start(Board(LineView("line1", 1, ())))
    office.stop(1.0)
    request = RunRequest("WO-1", "aa", "1", ("identify",), "1.0")
    assert isinstance(office, NoMes)
    assert office.permit(request) == request


@pytest.mark.parametrize("uri", ["ftp://mes", "http://mes.example", "https://user@mes.example", "file:", "mes.example"])
def test_an_address_that_is_none_is_refused(records, uri):
    """Nothing secret crosses a network in clear, and no address names a person."""
    with pytest.raises(ConfigError, match=r"mes\.uri"):
        open_mes(MesSection(uri=uri), records, Desk(), Caller(lambda: TOKEN))


def openssl(place, *words):
    subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Certificates of a server, a station and a stranger, made by openssl alone."""
    place = tmp_path_factory.mktemp("plant")
    (place / "san").write_text("subjectAltName=IP:127.0.0.1")
    openssl(place, "ecparam", "-name", "prime256v1", "-out", "curve")
    for name in ("root", "stranger"):
        made = (
            "-newkey",
            "ec:curve",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
        )
        openssl(place, "req", "-x509", *made)
    for name in ("server", "station"):
        asked = (
            "-newkey",
            "ec:curve",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        openssl(place, "req", *asked)
        signer = ("-CA", "root.pem", "-CAkey", "root.key", "-extfile", "san")
        openssl(place, "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    return place


@pytest.fixture(scope="module")
def secured(plant, tmp_path_factory):
    """An MES that lets in stations of the plant only."""
    files = ("--certificate", plant / "server.pem", "--key", plant / "server.key", "--client-ca", plant / "root.pem")
    reference = Reference(tmp_path_factory.mktemp("secured"), *map(str, files))
    yield reference
    reference.kill()


@pytest.mark.parametrize(
    ("who", "root", "sentence"),
    [
        ("station", "root", ""),
        (None, "root", "is away"),
        ("stranger", "root", "may refuse this station's certificate|refuses this station's certificate"),
        ("station", "stranger", "its certificate is not trusted"),
    ],
)
def test_both_sides_know_each_other_by_certificates(secured, plant, who, root, sentence):
    """F-K9: mutual TLS; a station without certificate, of another plant, or at another server gets nowhere."""
    identity = ClientIdentity(plant / f"{who}.pem", plant / f"{who}.key") if who else None
    caller = Caller(lambda: TOKEN, plant, (lambda: identity) if identity else None)
    mes = open_rest(f"{secured.url}?ca={root}.pem", "line1", caller, 3.0)
    if not sentence:
        assert mes.fetch(0) == ()
        return
    with pytest.raises(ServiceError, match=sentence) as refused:
        mes.fetch(0)
    assert TOKEN not in refused.value.message


def test_a_wrong_token_is_told_without_the_token(reference):
    """401 is a matter for who runs the station."""
    with pytest.raises(ServiceError, match="refuses the access token") as refused:
        reference.open(token="another-token").fetch(0)
    assert refused.value.hint == "Renew the token of the MES."
    assert "another-token" not in refused.value.message

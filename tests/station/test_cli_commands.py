"""The commands as people and scripts meet them: help, JSON, messages and exit codes (0, 1, 2, 3)."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from pki.cli import main as pki
from station.cli import main as station
from tests.station.cli_world import alone, edit, run

COMMANDS = {
    "station": ("init", "check", "run", "slots", "unit", "runs", "order", "order create", "order list"),
    "pki": ("ceremony", "status", "issue"),
}
PROGRAMS = {"station": station, "pki": pki}
UNBOUND = "pci-0000:00:14.0-usb-0:1.9"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a station directory that these tests leave as it is."""
    return alone(tmp_path_factory.mktemp("cli"))


@pytest.mark.parametrize("program", COMMANDS)
def test_help_names_every_command_and_each_has_help_of_its_own(program: str) -> None:
    whole = run(program, "--help")
    assert whole.code == 0
    for command in COMMANDS[program]:
        assert command.split()[0] in whole.out
        told = CliRunner().invoke(PROGRAMS[program], [*command.split(), "--help"])
        assert (told.exit_code, told.output.split()[:1]) == (0, ["Usage:"])


@pytest.mark.parametrize(
    "words",
    [
        ("station", "chekc"),
        ("station", "runs", "--limit", "none"),
        ("station", "unit"),
        ("station", "init", "line", "--slots", "0"),
        ("pki", "issue", "nowhere.der", "--environment", "test", "--unit", "AC22-000001"),
        ("pki", "ceremony", "nowhere.toml"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(words: tuple[str, ...]) -> None:
    """Exit code 2: usage."""
    ran = run(*words)
    assert ran.code == 2
    assert "Error:" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words",
    [("check",), ("run",), ("slots",), ("unit", "AC22-000001")],
    ids=lambda words: words[0],
)
def test_outside_of_a_station_directory_the_next_step_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = run("station", *words, "--dir", tmp_path)
    assert ran.code == 2
    assert "station.toml does not exist" in ran.err
    assert "station init" in ran.err


def test_init_makes_a_directory_and_again_changes_nothing(tmp_path: Path) -> None:
    first = run("station", "init", tmp_path / "line", "--slots", "3", "--id", "ST7")
    before = (tmp_path / "line" / "station.toml").read_bytes()
    again = run("station", "init", tmp_path / "line", "--slots", "9")
    assert (first.code, again.code) == (0, 0)
    assert "station.toml" in first.out
    assert "created" not in again.out
    assert (tmp_path / "line" / "station.toml").read_bytes() == before


def test_new_directory_can_be_asked_at_once(tmp_path: Path) -> None:
    """A directory without catalogue and PKI: reading works, `run` says what is missing and starts nothing."""
    run("station", "init", tmp_path, "--ports", "dir:secrets")
    assert "No runs yet." in run("station", "runs", "--dir", tmp_path).out
    assert run("station", "order", "list", "--dir", tmp_path, "--json").json == []
    started = run("station", "run", "--dir", tmp_path)
    assert started.code == 2
    assert "line: order" in started.err


def test_typo_in_station_toml_is_named_and_nothing_starts(tmp_path: Path) -> None:
    run("station", "init", tmp_path)
    edit(tmp_path / "station.toml", "[printer]", "[prniter]")
    for command in ("check", "run"):
        ran = run("station", command, "--dir", tmp_path)
        assert ran.code == 2
        assert "did you mean 'printer'" in ran.err


def test_unknown_unit_is_exit_code_1(line: Path) -> None:
    """Exit code 1: the record failed the question."""
    ran = run("station", "unit", "AC22-999999", "--dir", line)
    assert ran.code == 1
    assert "AC22-999999" in ran.err
    assert ran.out == ""


def test_slots_prints_the_stanza_that_binds_a_port(line: Path) -> None:
    """`station slots` lists what is plugged in now; its stanza, put into station.toml, is taken as it stands."""
    ports = line.parent / "ports"
    (ports / UNBOUND).symlink_to("/dev/null")
    (ports / "pci-0000:00:14.0-usb-0:1.2").symlink_to("/dev/zero")
    try:
        shown = run("station", "slots", "--dir", line)
        listed = run("station", "slots", "--dir", line, "--json").json
    finally:
        for link in ports.iterdir():
            link.unlink()
    assert "slot 2" in shown.out
    assert f'port = "{UNBOUND}"' in shown.out
    assert {row["path"]: row["slot"] for row in listed} == {UNBOUND: None, "pci-0000:00:14.0-usb-0:1.2": "2"}


def test_slots_of_an_empty_line(line: Path) -> None:
    assert "Nothing is plugged in." in run("station", "slots", "--dir", line).out


def test_orders_are_listed_with_their_progress(line: Path) -> None:
    listed = run("station", "order", "list", "--dir", line, "--json").json
    assert [row["order"]["id"] for row in listed] == ["WO-1001"]
    assert listed[0]["counts"]["quantity"] == 20
    assert "0 of 20 released" in run("station", "order", "list", "--dir", line).out


def order(line: Path, name: str, *more: str) -> tuple[int, str]:
    ran = run("station", "order", "create", name, "--dir", line, "--prefix", "AC22-", *more)
    return ran.code, ran.out + ran.err


def test_order_made_again_is_the_same_order(line: Path) -> None:
    same = ("--bundle", "ac22-eu-r1", "--quantity", "20", "--customer", "Example Operator")
    assert order(line, "WO-1001", *same)[0] == 0
    assert len(run("station", "order", "list", "--dir", line, "--json").json) == 1


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("WO-1001", ("--bundle", "ac22-eu-r1", "--quantity", "19"), "exists already"),
        ("WO-2", ("--bundle", "ac22-eu-r1", "--quantity", "5", "--first", "18"), "belongs to work order WO-1001"),
        ("WO-2", ("--bundle", "ac22-us-r1", "--quantity", "5", "--first", "100"), "ac22-us-r1/bundle.json"),
        ("WO-2", ("--bundle", "../../etc/x", "--quantity", "5", "--first", "100"), "not the name of a bundle"),
        ("WO-2", ("--quantity", "5", "--first", "100"), "one release bundle, or for one draft"),
        ("WO-2", ("--draft", "ac22-eu", "--quantity", "5", "--first", "100"), "CAs are of production"),
        ("WO-2\n", ("--bundle", "ac22-eu-r1", "--quantity", "5", "--first", "100"), "name"),
    ],
)
def test_wrong_order_is_refused_and_nothing_kept(line: Path, name: str, more: tuple[str, ...], told: str) -> None:
    """F-A1, F-B3: an order's content and its serial block are its own."""
    code, said = order(line, name, *more)
    assert code == 2
    assert told in said
    assert "Traceback" not in said
    assert len(run("station", "order", "list", "--dir", line, "--json").json) == 1


def test_pki_status_names_token_authorities_and_no_problem(line: Path) -> None:
    found = run("pki", "status", "--dir", line / "pki", "--json").json
    assert ([token["label"] for token in found["tokens"]], found["problems"]) == (["factory"], [])
    assert {"test-root", "ship-issuing", "records"} <= {entry["name"] for entry in found["certificates"]}
    assert "all checks passed" in run("pki", "status", "--dir", line / "pki").out


def test_ceremony_again_changes_nothing(line: Path) -> None:
    ceremony = Path(__file__).parents[2] / "fixtures" / "catalog" / "ceremony.toml"
    ran = run("pki", "ceremony", ceremony, "--dir", line / "pki")
    assert ran.code == 0
    assert "Nothing to do" in ran.out


def test_ceremony_with_a_typo_makes_nothing(tmp_path: Path) -> None:
    ceremony = Path(__file__).parents[2] / "fixtures" / "catalog" / "ceremony.toml"
    (tmp_path / "reviewed.toml").write_text(ceremony.read_text().replace("issuing =", "isuing =", 1))
    ran = run("pki", "ceremony", tmp_path / "reviewed.toml", "--dir", tmp_path / "pki")
    assert ran.code == 2
    assert "issuing" in ran.err
    assert not (tmp_path / "pki" / "certificates").exists()


def request(folder: Path, common_name: str) -> Path:
    """Make a PKCS#10 request with openssl."""
    subprocess.run(
        ("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         str(folder / "key.pem"), "-subj", f"/O=Example Chargers/CN={common_name}", "-outform", "DER",
         "-out", str(folder / "request.der")),
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    return folder / "request.der"


def issued(line: Path, file: Path, unit: str) -> tuple[int, str, str]:
    ran = run("pki", "issue", file, "--environment", "test", "--unit", unit, "--dir", line / "pki")
    return ran.code, ran.out, ran.err


def test_issue_by_hand_gives_the_same_certificate_twice(line: Path, tmp_path: Path) -> None:
    """F-D3: CN = serial, O = owner; a repeated request is no second certificate."""
    file = request(tmp_path, "BENCH-0001")
    first, second = issued(line, file, "BENCH-0001"), issued(line, file, "BENCH-0001")
    assert first[0] == 0, first[2]
    assert first == second
    leaf = x509.load_pem_x509_certificate(first[1].encode())
    assert leaf.subject.rfc4514_string() == "CN=BENCH-0001,O=Example Chargers"


def test_issue_refuses_a_request_of_another_name(line: Path, tmp_path: Path) -> None:
    """F-D4: exit code 1, the request failed the check."""
    code, out, err = issued(line, request(tmp_path, "BENCH-0002"), "BENCH-0003")
    assert (code, out) == (1, "")
    assert "BENCH-0003" in err


def test_issue_refuses_garbage(line: Path, tmp_path: Path) -> None:
    (tmp_path / "request.der").write_bytes(b"\x30\x82garbage")
    code, out, err = issued(line, tmp_path / "request.der", "BENCH-0004")
    assert (code, out) == (1, "")
    assert "Traceback" not in err

"""`station cpms`: the adapters with what they were tried against, and a CPMS that answers, is away or refuses us."""

import json

import pytest
from click.testing import CliRunner
from cpms_world import TOKEN

from pki.secret import write_secret
from station.cli import main
from station.cpms import ADAPTERS

STATION = """
[station]
id = "line1"

[line]
order = "WO-1"

[printer]
uri = "discard:"

[[slot]]
name = "1"
port = "pci-0000:00:14.0-usb-0:1.1"
"""


@pytest.fixture
def station(tmp_path):
    """Return a function that runs a command in a station directory with a token."""
    (tmp_path / "station.toml").write_text(STATION)
    write_secret("cpms-token", tmp_path, TOKEN)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [*arguments, "--dir", str(tmp_path)])
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_every_adapter_says_what_it_was_tried_against():
    """What was never seen live says so, in the list as well as in its module."""
    rows = json.loads(CliRunner().invoke(main, ["cpms", "list", "--json"]).output)
    assert list(rows) == list(ADAPTERS)
    untested = {name for name, row in rows.items() if row["evidence"] == "untested against a live system"}
    assert untested == {"citrineos", "maeve", "steve", "ampeco", "monta", "greenflux"}
    assert "2 at once, 1.6 a second" in CliRunner().invoke(main, ["cpms", "list"]).output


@pytest.mark.parametrize("scheme", ["citrineos", "maeve", "steve", "ampeco", "monta", "greenflux"])
def test_an_untested_adapter_says_so_in_its_module(scheme):
    module = __import__(f"station.cpms.vendors.{scheme}", fromlist=[scheme])
    assert "untested against a live system" in " ".join(module.__doc__.lower().split())


def test_a_cpms_that_answers(station, staging):
    told = json.loads(station("cpms", "check", f"staging+{staging.url}", "--json"))
    assert (told["name"], told["evidence"]) == (f"staging+{staging.url}", "tested against its own description")
    assert "answers in" in station("cpms", "check", f"staging+{staging.url}")


def test_a_cpms_that_does_not(station, staging):
    """Exit code 3, with what to do; the token is nowhere."""
    assert "is away" in station("cpms", "check", "staging+http://127.0.0.1:9", code=3)
    staging.misbehave("garbage")
    output = station("cpms", "check", f"staging+{staging.url}", code=3)
    assert "not JSON" in output
    assert TOKEN not in output


def test_a_wrong_address_or_profile_is_a_mistake_of_the_configuration(station):
    assert "is not a scheme" in station("cpms", "check", "gopher://x", code=2)
    uri = "greenflux+https://cpms.example?location=A"
    assert "no place for the password" in station("cpms", "check", uri, "--profile", "2", code=2)


def test_vendors_answer_too(station, street, monkeypatch):
    """What one tells about itself is printed."""
    monkeypatch.setattr(street.town.citrineos, "token", TOKEN)
    output = station("cpms", "check", f"citrineos+http://{street.netloc}?graphql={street.netloc}")
    assert "version 1 by its tables" in output
    assert "untested against a live system" in output

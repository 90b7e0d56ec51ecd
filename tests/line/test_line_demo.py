"""The demonstration as people start it, by itself and to its end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from station.config import load_station
from station.identifiers.cartons import is_sscc
from station.records import open_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_label_there_is_comes_back_and_the_carton_has_a_number(tmp_path: Path) -> None:
    """Nobody brings numbered cartons to a demonstration: the station gives the number, and it is scanned back."""
    command = [sys.executable, "-m", "fixtures.demo", "--headless", "--units", "1", "--slots", "1"]
    command += ["--recipe", "ac22-labels-eu", "--dir", str(tmp_path / "demo"), "--json", str(tmp_path / "told.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (unit,) = json.loads((tmp_path / "told.json").read_text())["units"]
    config = load_station(tmp_path / "demo" / "station")
    with open_records(config.database_url, config.station.id) as records:
        history = records.unit_history(unit["serial"])
        (numbered,) = records.events(unit["serial"], "carton-numbered")
    assert history is not None
    assert {(label.template, label.state.value) for label in history.labels} >= {("carton", "scanned")}
    number = str(json.loads(numbered.body)["sscc"])
    assert (is_sscc(number), number[1:8]) == (True, config.labels.cartons.prefix)

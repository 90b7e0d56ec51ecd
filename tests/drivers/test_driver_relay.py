"""The relay of a slot takes the power from a charger, and gives it back whatever happens (F-E4, P14)."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.charger.process import SimulatedCharger
from station.clock import Deadline
from station.drivers.mcuboot import open_charger
from station.drivers.relay import NoRelay, open_relay, powered
from station.errors import ConfigError, LinkError
from station.steps.fixture import CableFixture


@pytest.mark.parametrize("uri", ["gpio:17", "file:", "file:relative", "/sys/class/gpio/gpio17/value"])
def test_relay_that_nobody_could_switch_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="must be file: and an absolute path"):
        open_relay(uri)


def test_slot_without_a_relay_says_what_to_do() -> None:
    """A product that has its power cut on a bench that can't: the station's fault, never the unit's."""
    with pytest.raises(ConfigError, match="it has no relay") as caught:
        open_relay("").switch(on=False)
    assert "leave 'power cycle' out in the product" in caught.value.hint
    assert isinstance(open_relay(""), NoRelay)


def test_relay_without_its_file_is_refused_and_none_is_made(tmp_path: Path) -> None:
    """A file that the station made itself would cut nobody's power."""
    value = tmp_path / "value"
    with pytest.raises(ConfigError, match="there is no such file"):
        open_relay(f"file:{value}")
    value.write_text("1")
    relay = open_relay(f"file:{value}")
    value.unlink()
    with pytest.raises(LinkError, match="can't be switched: No such file or directory"):
        relay.switch(on=True)
    assert not value.exists()


def test_slot_that_was_left_without_power_gets_it_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A station that was killed while the power was off; a relay that does not take it keeps nobody from starting."""
    value = tmp_path / "value"
    value.write_text("0\n")
    powered(f"file:{value}")
    assert value.read_text().strip() == "1"
    powered(f"file:{tmp_path}")
    assert (isinstance(powered(""), NoRelay), "can't be switched: Is a directory" in caplog.text) == (True, True)


def bench(relay: Path, charger: Any, stopping: threading.Event) -> Any:
    return SimpleNamespace(relay=open_relay(f"file:{relay}"), charger=charger, stopping=stopping, identity=None)


def test_charger_loses_its_power_and_comes_back(tmp_path: Path, simulate: Callable[..., SimulatedCharger]) -> None:
    """Off for as long as it was said; the same hardware answers again, with its clock."""
    relay = tmp_path / "relay"
    relay.write_text("1")
    unit = simulate(relay=relay)
    charger = open_charger(lambda: unit.node)
    charger.set_clock(Deadline(10))
    before, made = charger.identify(Deadline(10)), bench(relay, charger, Watching(lambda: unit.node))
    CableFixture(made).power_cycle(0.8, Deadline(20))
    assert (made.identity.uid, relay.read_text()) == (before.uid, "1")
    assert made.stopping.seen is None
    assert abs(charger.clock_offset(Deadline(10))) < 2
    charger.close()


def test_relay_that_cuts_nothing_is_the_stations_fault(
    tmp_path: Path, simulate: Callable[..., SimulatedCharger]
) -> None:
    """A charger that kept its power must not pass for one that came back."""
    relay = tmp_path / "relay"
    relay.write_text("1")
    unit = simulate()
    charger = open_charger(lambda: unit.node)
    charger.identify(Deadline(10))
    with pytest.raises(ConfigError, match="does not cut its power"):
        CableFixture(bench(relay, charger, threading.Event())).power_cycle(0.1, Deadline(20))
    assert relay.read_text() == "1"
    charger.close()


class Watching(threading.Event):
    """Waits like the station does, and looks at the end of it whether the charger's port was there."""

    def __init__(self, node: Callable[[], str | None]) -> None:
        super().__init__()
        self.node, self.seen = node, "never looked"

    def wait(self, timeout: float | None = None) -> bool:
        ended = super().wait(timeout)
        self.seen = self.node()
        return ended

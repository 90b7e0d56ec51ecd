"""The SIM of a charger in a slot: attached and heard, and left as it was (F-F4)."""

from collections.abc import Mapping, Sequence

import pytest

from station.catalog.modem import Modem
from station.clock import Deadline
from station.preflight import LABEL, Finding, examine, modem_probes

MODEM = Modem("m/registration", rssi="m/rssi", rsrp="m/rsrp", activation="m/activation")
GOOD = {"m/registration": "home", "m/rssi": "-71", "m/rsrp": "-98", "m/activation": "factory-test"}


class Device:
    """A device whose settings are read one after the other, and that may lose its SIM's factory state by that."""

    def __init__(self, settings: Mapping[str, str], *, uses_up: bool = False) -> None:
        self.settings, self.uses_up = dict(settings), uses_up

    def read(self, keys: Sequence[str], deadline: Deadline) -> Mapping[str, bytes | None]:
        found = {key: self.settings[key].encode() if key in self.settings else None for key in keys}
        if self.uses_up and "m/rssi" in keys:
            self.settings["m/activation"] = "active"
        return found


def look(settings: Mapping[str, str], **options: bool) -> dict[str, Finding]:
    device = Device(settings, **options)
    return {finding.what: finding for finding in examine(modem_probes(MODEM, device.read, "1"))}


def test_a_good_modem_is_told_with_its_levels() -> None:
    findings = look(GOOD)
    assert all(finding.ok and finding.scope == LABEL for finding in findings.values())
    assert (findings["signal RSSI"].detail, findings["signal RSRP"].detail) == ("-71 dBm", "-98 dBm")
    assert findings["SIM state kept"].detail == "factory-test"


BAD = {
    "SIM attached": ({"m/registration": "searching"}, "not registered"),
    "signal RSSI": ({"m/rssi": "-109"}, "at least -95"),
    "signal RSRP": ({"m/rsrp": "full"}, "'full' dBm"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named_and_hides_nothing(what: str) -> None:
    change, told = BAD[what]
    findings = look(GOOD | change)
    assert [name for name, finding in findings.items() if not finding.ok] == [what]
    assert told in findings[what].detail


def test_a_level_that_no_antenna_has_is_none() -> None:
    """A level above 0 dBm is a number of something else, such as bars or percent."""
    assert not look(GOOD | {"m/rssi": "71"})["signal RSSI"].ok


def test_a_sim_that_is_used_up_by_the_look_is_found() -> None:
    findings = look(GOOD, uses_up=True)
    assert "was 'factory-test' before the look and is 'active' now" in findings["SIM state kept"].detail


def test_a_product_without_a_modem_has_nothing_to_look_at() -> None:
    assert list(modem_probes(Modem(), Device({}).read, "1")) == []
    with pytest.raises(ValueError, match="registration"):
        Modem(rssi="m/rssi")

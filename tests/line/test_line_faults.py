"""Bad chargers among good ones: each FAILs or ERRORs for the right reason, and takes nobody with it."""

import pytest

from fixtures.charger.faults import FAULTS
from fixtures.demo.operator import Result
from tests.line.conftest import Make

pytestmark = pytest.mark.timeout(600)

EXPECTED = {
    # These two are found on the first article, so nothing may pass before them.
    "accepts-unsigned": ("FAIL", "had to be 'refused'"),
    "no-rollback": ("FAIL", "does not come back from a bad image"),
    "wrong-hardware": ("FAIL", "Hardware rev-x"),
    "wrong-power": ("FAIL", "power"),
    "bad-flash": ("FAIL", "refused firmware"),
    "refuses-certificate": ("FAIL", "certificate"),
    "wrong-clock": ("FAIL", "clock"),
    "accepts-and-does-nothing": ("FAIL", "nothing changed"),
    "garbage": ("FAIL", "nonsense"),
    "silent": ("FAIL", "does not answer"),
    "renewal-keeps-old-key": ("FAIL", "not the renewed"),
    "renewal-takes-foreign-chain": ("FAIL", "a key that it does not have"),
    "never-locks": ("FAIL", "locked"),
    "other-key": ("FAIL", "could not prove"),
    "forgets-settings": ("FAIL", "did not keep"),
    "boots-as-another": ("FAIL", "BootNotification says 'AC22-999999' as serial number"),
    "renames-itself": ("FAIL", "The device says 'AC22-999999'; the record says 'AC22-"),
    "extra-flag": ("FAIL", "debug_shell is not declared"),
    "missing-flag": ("FAIL", "tls_keylog is missing"),
    "forgets-anchor": ("FAIL", "does not list the root"),
    "crossed-outlets": ("FAIL", "the outlets are mixed up"),
    "keeps-log": ("FAIL", "still names csms.test.example after it was emptied"),
    "keeps-old-flag": ("FAIL", "did not keep charger/flags"),
}


@pytest.fixture(scope="module")
def results(make: Make) -> dict[str, Result]:
    """Make a bad unit of each kind, with good ones between them."""
    chargers = [{"fault": name} for name in EXPECTED] + [{}, {}]
    made = make(*chargers, timeout=480.0)
    return dict(zip([*EXPECTED, "good one", "good two"], (made[number] for number in sorted(made)), strict=True))


def test_every_fault_of_the_simulator_is_expected_here() -> None:
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize("fault", EXPECTED)
def test_bad_charger_is_stopped_for_the_right_reason(results: dict[str, Result], fault: str) -> None:
    outcome, reason = EXPECTED[fault]
    assert results[fault].outcome == outcome
    assert reason in results[fault].reason


def test_good_chargers_beside_bad_ones_are_released(results: dict[str, Result]) -> None:
    """F-N1: a failure of one slot stays in that slot."""
    assert [results[name].outcome for name in ("good one", "good two")] == ["PASS", "PASS"]

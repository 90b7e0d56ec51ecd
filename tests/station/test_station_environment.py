"""A station builds for the environments of its own factory only (F-K5, F-K7, F-D8): real commands."""

from pathlib import Path

import pytest

from tests.station.cli_world import alone, run

HINT = "Choose an environment of this factory"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Return a station directory that keeps every promise, until a test puts other CAs into it."""
    return alone(tmp_path)


def exchange(line: Path, one: str, other: str) -> None:
    """Let two roots change places: the factory is another one then, or its worlds are mixed up."""
    first, second = (line / "pki" / "certificates" / f"{name}.pem" for name in (one, other))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


CASES = {
    "other factory, test": (("test-root", "plant-root"), "bench-test.toml", "of another factory"),
    "other factory, ship": (("ship-root", "plant-root"), "field.toml", "of another factory"),
    "worlds mixed up": (("test-root", "ship-root"), "bench-test.toml", "that of its ship CA"),
}


@pytest.mark.parametrize("case", CASES)
def test_station_of_another_factory_does_not_start(line: Path, case: str) -> None:
    """P05, P15: before a port is opened or the CPMS of the environment hears of it."""
    roots, file, told = CASES[case]
    exchange(line, *roots)
    ran = run("station", "run", "--dir", line, timeout=40)
    assert ran.code == 2
    assert f"environments/{file}: environment: ca: " in ran.err
    assert told in ran.err
    assert HINT in ran.err


def test_check_names_the_environment_and_needs_no_token_for_it(line: Path) -> None:
    exchange(line, "ship-root", "plant-root")
    (line / "secrets" / "hsm-pin").unlink()
    ran = run("station", "check", "--dir", line, "--json")
    broken = {row["what"]: row["detail"] + row["hint"] for row in ran.json if not row["ok"]}
    assert "field.toml" in broken["environment.ca"]
    assert HINT in broken["environment.ca"]

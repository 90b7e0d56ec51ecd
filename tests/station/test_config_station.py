"""station.toml: read strictly, with the key path in every refusal."""

from pathlib import Path

import pytest

from station.config import load_station
from station.errors import ConfigError
from station.setup import InitOptions, init_station
from tests.station.conftest import edit


def test_new_station_directory_loads(tmp_path: Path) -> None:
    init_station(tmp_path / "line", InitOptions(slots=3))
    config = load_station(tmp_path / "line")
    assert [slot.name for slot in config.slot] == ["1", "2", "3"]
    assert config.located("file:labels") == f"file:{tmp_path / 'line' / 'labels'}"


def test_init_again_changes_nothing(tmp_path: Path) -> None:
    init_station(tmp_path, InitOptions())
    edit(tmp_path / "station.toml", 'id = "ST1"', 'id = "ST9"')
    assert init_station(tmp_path, InitOptions()) == ()
    assert load_station(tmp_path).station.id == "ST9"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "ST1"', 'id = "station one"', "is not a name"),
        ("[printer]", "[prniter]", "did you mean 'printer'"),
        ('name = "2"', 'name = "1"', "used by two slots"),
        ("test_port = 8443", 'test_port = "8443"', "acceptance: test_port: int is expected"),
        ("uri =", "uri", "not valid TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    init_station(tmp_path, InitOptions())
    edit(tmp_path / "station.toml", old, new)
    with pytest.raises(ConfigError, match=told):
        load_station(tmp_path)


def test_missing_directory_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path / "nowhere")
    assert "station init" in caught.value.hint

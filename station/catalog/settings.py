"""Where a configuration parameter lives on one product's device, and how it is laid down there."""

from dataclasses import dataclass
from enum import StrEnum

EVSE = "{evse}"
"""Stands in the key of a parameter that each connector has."""


class SettingType(StrEnum):
    """How a configuration value is laid down in the device's settings."""

    TEXT = "text"
    INTEGER = "integer"
    """Four bytes, little-endian, as Zephyr's settings hold an int."""
    BOOLEAN = "boolean"
    """One byte, 0 or 1."""


class Way(StrEnum):
    """How a parameter reaches the device."""

    SETTINGS = "settings"
    OCPP = "ocpp"
    """Set and read back while the unit is Pending, under the name that its OCPP version has for it."""


@dataclass(frozen=True)
class Setting:
    """Where one of our configuration names lives on the device."""

    key: str = ""
    """Key of the device's settings; for a parameter of each connector with `{evse}` in it."""
    over: Way = Way.SETTINGS
    absent: str = ""
    """Why this hardware has no such parameter; what profiles say of it is left out."""
    type: SettingType = SettingType.TEXT
    secret: bool = False
    """Never read back and never recorded."""
    longest: int = 512
    """Longest value in bytes that the device takes."""
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    volatile: bool = False
    """The device changes it by itself, so it is written and not compared."""
    unset: str | None = None
    """What the device holds where the factory sets nothing."""

    def __post_init__(self) -> None:
        """Refuse a parameter without a place, or with two."""
        if bool(self.key) + bool(self.absent) + (self.over is Way.OCPP) != 1:
            raise ValueError("one of 'key', 'over = \"ocpp\"' and 'absent' (with the reason) is expected")


def encode(setting: Setting, value: str) -> bytes:
    """Lay a configuration value down as the device wants it.

    Raises:
        ValueError: The value does not fit the setting's type, length, choices or limits.
    """
    if setting.choices and value not in setting.choices:
        raise ValueError(f"the device takes {', '.join(setting.choices)}")
    _keep_limits(setting, value)
    if setting.type is SettingType.INTEGER:
        return int(value).to_bytes(4, "little", signed=True)
    if setting.type is SettingType.BOOLEAN:
        return {"true": b"\x01", "on": b"\x01", "false": b"\x00", "off": b"\x00"}[value]
    raw = value.encode()
    if len(raw) > setting.longest or any(byte < 0x20 for byte in raw):
        raise ValueError(f"longer than {setting.longest} bytes or with control characters")
    return raw


def decode(setting: Setting, raw: bytes) -> str:
    """Return what a device's bytes say, for judging what was read back; what is no text is shown as such."""
    if setting.type is SettingType.INTEGER:
        return str(int.from_bytes(raw[:4], "little", signed=True))
    if setting.type is SettingType.BOOLEAN:
        return "true" if raw == b"\x01" else "false"
    return raw.decode(errors="replace")


def _keep_limits(setting: Setting, value: str) -> None:
    if setting.low is not None and int(value) < setting.low:
        raise ValueError(f"the device takes {setting.low} at least")
    if setting.high is not None and int(value) > setting.high:
        raise ValueError(f"the device takes {setting.high} at most")

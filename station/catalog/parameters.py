"""The canonical model of a charger's configuration: one name for each thing that can be set, and who may set it.

Profiles speak these names only. How a device or an OCPP version calls the same thing is a matter of rendering, so one
model serves every wire (F-E2, F-E3, F-E5, F-F1, F-F3, F-F7). What only the operator or the site can know is never set
in the factory: it stands as `UNSET` in every snapshot (F-A6, F-E9).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from station.model import OcppVersion

UNSET = "UNSET-BY-FACTORY"
"""Stands in place of a value that whoever commissions the unit has to choose."""


class Owner(StrEnum):
    """Who decides a value (F-A6)."""

    FACTORY = "factory"
    OPERATOR = "operator"
    FIELD = "field"
    """The site: whoever installs the unit."""


class Kind(StrEnum):
    """What a value is, as text."""

    TEXT = "text"
    INTEGER = "integer"
    SWITCH = "switch"
    """`on` or `off`."""
    TRUTH = "truth"
    """`true` or `false`, as OCPP writes it."""
    ENDPOINT = "endpoint"
    """A `wss://` address."""
    HOSTS = "hosts"
    """Host names or addresses, separated by commas, without spaces."""


class Place(StrEnum):
    """Where a parameter's value must come from."""

    PROFILE = "profile"
    ENVIRONMENT = "environment"
    """Never written in a profile: switching the environment changes it (F-F5)."""
    UNIT = "unit"
    """Never written in a profile: differs with each unit."""


@dataclass(frozen=True)
class Parameter:
    """One thing that can be configured; lengths in characters."""

    name: str
    kind: Kind = Kind.TEXT
    owner: Owner = Owner.FACTORY
    ocpp16: str = ""
    """Configuration key of OCPP 1.6."""
    ocpp201: str = ""
    """`Component.Variable` of OCPP 2.0.1."""
    low: int = 0
    high: int = 1_000_000
    longest: int = 500
    choices: tuple[str, ...] = ()
    pattern: str = ""
    unsafe: tuple[str, ...] = ()
    """Values that must never ship (F-E8)."""
    secret: bool = False
    optional: bool = False
    """The value may be empty."""
    place: Place = Place.PROFILE
    each_connector: bool = False
    """One value for each connector: `name_1`, `name_2` …"""

    def ocpp_name(self, version: OcppVersion) -> str:
        """Return what an OCPP version calls it; empty where it has no name for it."""
        return self.ocpp16 if version is OcppVersion.V16 else self.ocpp201


def _number(name: str, low: int, high: int, ocpp16: str = "", ocpp201: str = "") -> Parameter:
    return Parameter(name, Kind.INTEGER, low=low, high=high, ocpp16=ocpp16, ocpp201=ocpp201)


def _choice(name: str, *choices: str, unsafe: tuple[str, ...] = ()) -> Parameter:
    return Parameter(name, choices=choices, unsafe=unsafe)


def _open(name: str, owner: Owner) -> Parameter:
    return Parameter(name, owner=owner, longest=255)


_ORDER = r"(ethernet|cellular|wifi)(,(?!\1)(ethernet|cellular|wifi))?(,(?!\1|\3)(ethernet|cellular|wifi))?"
_SOURCES = r"(Heartbeat|NTP|GPS|RealTimeClock|MobileNetwork)(,(Heartbeat|NTP|GPS|RealTimeClock|MobileNetwork)){0,4}"
"""`SequenceList` of OCPP 2.0.1 ClockCtrlr.TimeSource, the first asked first."""
_MEASURANDS = r"[A-Za-z]{1,40}(\.[A-Za-z]{1,40}){0,4}(,[A-Za-z]{1,40}(\.[A-Za-z]{1,40}){0,4}){0,11}"

_TABLE = (
    # Who the unit is and where it connects; lengths of OCPP 2.0.1 SetNetworkProfile and of identifierString.
    Parameter("ocpp_url", Kind.ENDPOINT, longest=512, place=Place.ENVIRONMENT),
    Parameter("ocpp_identity", longest=48, pattern=r"[A-Za-z0-9*_=+|@.-]+", place=Place.UNIT),
    _choice("ocpp_version", "ocpp1.6", "ocpp2.0.1", "ocpp2.1"),
    _choice("ocpp_profile", "0", "1", "2", "3", unsafe=("0", "1")),
    Parameter("ocpp_key_slot", longest=32, pattern=r"[a-z][a-z0-9-]*"),
    # Intervals in seconds.
    _number("heartbeat_interval", 10, 86_400, "HeartbeatInterval", "OCPPCommCtrlr.HeartbeatInterval"),
    _number("websocket_ping_interval", 0, 3_600, "WebSocketPingInterval", "OCPPCommCtrlr.WebSocketPingInterval"),
    _number("meter_interval", 0, 86_400, "MeterValueSampleInterval", "SampledDataCtrlr.TxUpdatedInterval"),
    _number("clock_aligned_interval", 0, 86_400, "ClockAlignedDataInterval", "AlignedDataCtrlr.Interval"),
    _number("connection_timeout", 10, 600, "ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"),
    Parameter(
        "measurands",
        pattern=_MEASURANDS,
        ocpp16="MeterValuesSampledData",
        ocpp201="SampledDataCtrlr.TxUpdatedMeasurands",
    ),
    # Operating limits, never above the rating of the hardware: ampere, phases, °C.
    _number("max_current", 6, 1_000),
    Parameter("connector_max_current", Kind.INTEGER, low=6, high=1_000, each_connector=True),
    _number("connector_count", 1, 32),
    _number("phases", 1, 3),
    _choice("phase_rotation", "RST", "RTS", "SRT", "STR", "TRS", "TSR"),
    _number("thermal_derate_from", 20, 100),
    # Logs.
    _choice("log_level", "error", "warning", "info", "debug", "trace", unsafe=("debug", "trace")),
    _number("log_rotation_kib", 16, 1_048_576),
    Parameter("security_log", Kind.SWITCH, unsafe=("off",)),
    # Network: the order of interfaces is the order of fallback.
    Parameter("network_order", pattern=_ORDER),
    _number("network_attempts", 1, 100, "", "OCPPCommCtrlr.NetworkProfileConnectionAttempts"),
    Parameter("dns", Kind.HOSTS, place=Place.ENVIRONMENT),
    Parameter("ntp_server", Kind.HOSTS, place=Place.ENVIRONMENT),
    Parameter("time_source", pattern=_SOURCES, ocpp201="ClockCtrlr.TimeSource"),
    Parameter("time_zone", longest=40, pattern=r"[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}", place=Place.ENVIRONMENT),
    Parameter("apn", longest=512, pattern=r"[A-Za-z0-9.-]+"),
    Parameter("apn_user", longest=20, optional=True),
    Parameter("apn_password", longest=20, secret=True),
    Parameter("apn_preferred_network", longest=6, pattern=r"[0-9]{5,6}"),
    Parameter("sim_pin", longest=8, pattern=r"[0-9]{4,8}", secret=True),
    Parameter("roaming", Kind.SWITCH),
    _choice("vpn", "off", "IKEv2", "IPSec", "L2TP", "PPTP", unsafe=("PPTP",)),
    Parameter("vpn_server", Kind.HOSTS, longest=512, place=Place.ENVIRONMENT),
    Parameter("vpn_user", longest=20, optional=True),
    Parameter("vpn_group", longest=20, optional=True),
    Parameter("vpn_password", longest=20, secret=True),
    Parameter("vpn_key", longest=255, secret=True),
    # What the factory can't know.
    _open("site_max_current", Owner.FIELD),
    _open("ct_ratio", Owner.FIELD),
    _open("site_network", Owner.FIELD),
    _open("site_group", Owner.OPERATOR),
    _open("tariff", Owner.OPERATOR),
    _open("operator_account", Owner.OPERATOR),
    _open("diagnostics_target", Owner.OPERATOR),
)

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _TABLE}

_OCPP_NAME = 50
"""Longest name of a key, component or variable, in characters."""
_OCPP_VALUE = {OcppVersion.V16: 500, OcppVersion.V201: 1_000, OcppVersion.V21: 2_500}
"""Longest value in ChangeConfiguration (1.6) and SetVariables, in characters."""
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*|[0-9a-f:]{{2,39}}")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,8}")


def find(name: str) -> tuple[Parameter, int] | None:
    """Return the parameter of a name, and its connector where the name ends in one, such as `…_2`; else 0."""
    if name in PARAMETERS:
        return PARAMETERS[name], 0
    stem, _, number = name.rpartition("_")
    parameter = PARAMETERS.get(stem)
    if parameter is None or not parameter.each_connector or not re.fullmatch(r"[1-9][0-9]?", number):
        return None
    return parameter, int(number)


def fault(parameter: Parameter, value: str) -> str:
    """Return what is wrong with a value, whatever the device; empty when nothing is."""
    if not value:
        return "" if parameter.optional else "is empty"
    if len(value) > parameter.longest:
        return f"is longer than {parameter.longest} characters"
    if not value.isprintable():
        return "has control characters"
    if parameter.choices and value not in parameter.choices:
        return f"is none of {', '.join(parameter.choices)}"
    if parameter.pattern and not re.fullmatch(parameter.pattern, value):
        return "is not of its form"
    return _KINDS[parameter.kind](parameter, value)


def ocpp_fault(version: OcppVersion, name: str, value: str) -> str:
    """Return why a setting can't travel over OCPP; empty when it can."""
    longest = max(len(part) for part in name.split("."))
    if longest > _OCPP_NAME:
        return f"its name is longer than the {_OCPP_NAME} characters of OCPP"
    if len(value) > _OCPP_VALUE[version]:
        return f"is longer than the {_OCPP_VALUE[version]} characters of {version}"
    return ""


def _text(_: Parameter, __: str) -> str:
    return ""


def _integer(parameter: Parameter, value: str) -> str:
    if not _WHOLE.fullmatch(value):
        return "is not a whole number"
    return "" if parameter.low <= int(value) <= parameter.high else f"is not {parameter.low} to {parameter.high}"


def _switch(_: Parameter, value: str) -> str:
    return "" if value in ("on", "off") else "is neither on nor off"


def _truth(_: Parameter, value: str) -> str:
    return "" if value in ("true", "false") else "is neither true nor false"


def _endpoint(_: Parameter, value: str) -> str:
    parts = urlsplit(value)
    return "" if parts.scheme == "wss" and parts.hostname else "is no wss:// address"


def _hosts(_: Parameter, value: str) -> str:
    return "" if all(_HOST.fullmatch(host) for host in value.split(",")) else "is no list of hosts"


_KINDS = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.SWITCH: _switch,
    Kind.TRUTH: _truth,
    Kind.ENDPOINT: _endpoint,
    Kind.HOSTS: _hosts,
}

"""Environments: where a unit is proven, and where it will live. No endpoint is written anywhere else (F-F5)."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from station.errors import ConfigError
from station.model import Environment
from station.strict import parse, read_toml

SAMPLES = ("cp001", "deadbeef", "localhost", "127.0.0.1", "changeme", "ws://", "example-password")
"""Sample values that must never ship (F-E8)."""


@dataclass(frozen=True)
class EnvironmentDefinition:
    """One environment as its file says it."""

    name: str
    kind: Environment
    endpoint: str
    """OCPP endpoint, without the charger's identity."""
    owner: str
    """Organisation that stands as O in the station certificate (OCPP 2.0.1 A00.FR.509)."""
    ntp: str
    digest: str = ""
    """SHA-256 of the file; set when it is read."""

    @property
    def host(self) -> str:
        """Return the host name of the endpoint."""
        return urlsplit(self.endpoint).hostname or ""


@dataclass(frozen=True)
class _File:
    environment: EnvironmentDefinition


def load_environment(directory: Path, name: str, kind: Environment) -> EnvironmentDefinition:
    """Read `environments/<name>.toml` and check that it is of the kind that the recipe needs it for.

    Raises:
        ConfigError: The file is wrong, of the other kind, or has an endpoint that may not be used.
    """
    path = directory / "environments" / f"{name}.toml"
    table, digest = read_toml(path)
    section = table.get("environment")
    if isinstance(section, dict):
        section = section | {"digest": digest}
    found = parse(_File, {"environment": section}, str(path)).environment
    if found.kind is not kind:
        raise ConfigError(f"{path}: environment: kind: '{found.kind}' can't be used where '{kind}' is needed")
    if urlsplit(found.endpoint).scheme != "wss" or not found.host:
        raise ConfigError(f"{path}: environment: endpoint: '{found.endpoint}' is not a wss:// address")
    if kind is Environment.SHIP:
        refuse_samples({"endpoint": found.endpoint, "ntp": found.ntp}, str(path))
    return found


def refuse_samples(values: dict[str, str], where: str) -> None:
    """Refuse values that are samples or of the bench, as they must never ship (F-E8).

    Raises:
        ConfigError: Names the first such value.
    """
    for name, value in values.items():
        for sample in SAMPLES:
            if sample in value.lower():
                raise ConfigError(f"{where}: {name}: '{value}' holds the sample value '{sample}', which must not ship")

"""A rendered configuration: canonical values with their three forms, for the device, for OCPP and for the record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import rfc8785

from station.catalog.denials import denied, denied_flags
from station.catalog.parameters import UNSET, Parameter
from station.catalog.settings import EVSE, Setting, Way, decode, encode
from station.model import OcppVersion


@dataclass(frozen=True)
class Entry:
    """One value: what it is, and where it goes."""

    name: str
    parameter: Parameter
    setting: Setting
    value: str
    """As text; `UNSET` for what the factory leaves open."""
    evse: int = 0

    @property
    def key(self) -> str:
        """Return the key of the device's settings; empty where it has none."""
        return self.setting.key.replace(EVSE, str(self.evse))

    @property
    def raw(self) -> bytes:
        """Return the device's bytes.

        Raises:
            ValueError: The value does not fit the device.
        """
        return encode(self.setting, (self.setting.unset or "") if self.value == UNSET else self.value)

    @property
    def secret(self) -> bool:
        """Return whether it must never be shown."""
        return self.parameter.secret or self.setting.secret


@dataclass(frozen=True)
class Configuration:
    """Rendered values by our names, beside the device's keys and bytes."""

    entries: tuple[Entry, ...]
    """By name."""
    flags: Mapping[str, str]
    """Every feature flag of the device."""
    flags_key: str
    """Key of the device's settings that shows and takes the flags; empty where it has none."""
    version: OcppVersion
    inputs: Mapping[str, object]
    """What it was rendered from, so that it can be rendered again."""

    @property
    def values(self) -> dict[str, str]:
        """Return the canonical values."""
        return {entry.name: entry.value for entry in self.entries}

    @property
    def device(self) -> dict[str, bytes]:
        """Return the device's keys with the bytes to write, the endpoint last.

        The endpoint decides the phase of the device, so a power cut before it leaves the device in its earlier phase.
        """
        kept = sorted((entry for entry in self.entries if entry.key), key=lambda entry: entry.name == "ocpp_url")
        return self._flags | {entry.key: entry.raw for entry in kept}

    @property
    def readable(self) -> dict[str, bytes]:
        """Return what must read back equal: everything but secrets and what the device changes by itself."""
        compared = (entry for entry in self.entries if entry.key and not entry.secret and not entry.setting.volatile)
        return self._flags | {entry.key: entry.raw for entry in compared}

    @property
    def _flags(self) -> dict[str, bytes]:
        told = ",".join(f"{name}={word}" for name, word in sorted(self.flags.items()))
        return {self.flags_key: told.encode()} if self.flags_key else {}

    @property
    def ocpp(self) -> dict[str, str]:
        """Return what is set over OCPP, by the names of the product's version."""
        return {
            entry.parameter.ocpp_name(self.version): entry.value
            for entry in self.entries
            if entry.setting.over is Way.OCPP and entry.value != UNSET
        }

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Return the names that the factory leaves to the operator or the site (F-E9)."""
        return tuple(entry.name for entry in self.entries if entry.value == UNSET)

    @property
    def recorded(self) -> dict[str, str]:
        """Return the values as they may be shown: secrets as a mark only."""
        return {entry.name: "(secret)" if entry.secret else entry.value for entry in self.entries}

    @property
    def sha256(self) -> str:
        """Return the digest of what it was rendered from and of the values as they may be shown."""
        return sha256(rfc8785.dumps(self.document(lambda _: "(secret)"))).hexdigest()

    def document(self, fingerprint: Callable[[bytes], str]) -> dict[str, Any]:
        """Return the snapshot to keep: values, inputs and placeholders; secrets as keyed fingerprints (F-E7)."""
        values = {
            entry.name: {"fingerprint": fingerprint(f"{entry.name}\0{entry.value}".encode())}
            if entry.secret
            else entry.value
            for entry in self.entries
        }
        shown = {"values": values, "flags": dict(self.flags), "placeholders": list(self.placeholders)}
        return {**shown, "ocpp": {"version": self.version.value, "settings": self.ocpp}, **self.inputs}

    def flag_problems(self, raw: bytes | None) -> tuple[str, ...]:
        """Compare the names of the flags that a device shows with those that are declared (F-A8).

        Unknown and missing ones are both wrong: the firmware is not the one that was approved.
        """
        if not self.flags_key:
            return ()
        found = shown_flags(raw or b"")
        unknown = [f"the flag {name} is not declared" for name in sorted(set(found) - set(self.flags))]
        return (*unknown, *(f"the flag {name} is missing" for name in sorted(set(self.flags) - set(found))))

    def denials(self, found: Mapping[str, bytes | None]) -> tuple[str, ...]:
        """Return what must not ship among the settings that a device shows, whoever wrote them (F-E8)."""
        shown = ((entry, found.get(entry.key)) for entry in self.entries if entry.key and not entry.secret)
        values = {entry.name: decode(entry.setting, raw) for entry, raw in shown if raw is not None}
        flags = shown_flags(found.get(self.flags_key) or b"") if self.flags_key else {}
        return (*denied(values), *denied_flags(flags))


def shown_flags(raw: bytes) -> dict[str, str]:
    """Return the flags that a device shows as `name=word,name=word`."""
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split(",") if item)
    return {name: word for name, _, word in pairs}

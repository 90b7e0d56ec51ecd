"""What must never ship: sample values, values of the bench, and switches that belong to the laboratory (F-E8, P15).

The same lists judge what is rendered and what is read back from the device, because only the second is evidence.
"""

import re
from collections.abc import Mapping

from station.catalog.parameters import find
from station.errors import ConfigError

SAMPLES = (
    "cp001",
    "deadbeef",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "changeme",
    "ws://",
    "http://",
    "example-password",
    "openevse",
)
"""Sample values that must never ship, in lower case."""
MARKERS = re.compile(r"\b(todo|fixme|xxx|tbd)\b|\{\{|\}\}|\{%|\[::1\]")
"""What an unfinished definition leaves behind."""
FORBIDDEN_FLAGS: Mapping[str, str] = {
    "factory_test": "on",
    "tls_keylog": "on",
    "debug_shell": "on",
    "skip_certificate_check": "on",
    "insecure_websocket": "on",
}
"""Flags with the value that must never ship."""


def denied(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each value that must not ship; names are ours where they are known."""
    return tuple(sentence for name, value in sorted(values.items()) if (sentence := _denied(name, value)))


def denied_flags(flags: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each flag that must not ship as it is."""
    return tuple(
        f"flag {name} is '{value}', which must not ship"
        for name, value in sorted(flags.items())
        if FORBIDDEN_FLAGS.get(name) == value
    )


def refuse_samples(values: Mapping[str, str], where: str) -> None:
    """Refuse values that are samples or of the bench, as they must never ship.

    Raises:
        ConfigError: Names the first such value.
    """
    for sentence in denied(values):
        raise ConfigError(f"{where}: {sentence}")


def _denied(name: str, value: str) -> str:
    found = find(name)
    if found and found[0].secret:
        return "" if not _sample(value) else f"{name}: a sample value, which must not ship"
    if found and value in found[0].unsafe:
        return f"{name}: '{value}' must not ship"
    sample = _sample(value)
    return f"{name}: '{value}' holds the sample value '{sample}', which must not ship" if sample else ""


def _sample(value: str) -> str:
    lower = value.lower()
    marker = MARKERS.search(lower)
    return next((sample for sample in SAMPLES if sample in lower), marker.group() if marker else "")

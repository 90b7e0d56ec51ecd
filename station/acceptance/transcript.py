"""Every frame of a visit, kept for the record: bounded, timed, and without secrets."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime

from pki.passwords import Verifier
from station.clock import iso, utc_now

REDACTED = "[redacted]"
_SECRET = re.compile(r"password|passphrase|authorizationkey|secret|private_?key", re.IGNORECASE)
_VALUES = ("value", "attributeValue", "variableAttribute")


def is_secret(name: str) -> bool:
    """Tell whether a setting of this name holds a secret."""
    return _SECRET.search(name) is not None


def redact(value: object) -> object:
    """Return a JSON value with every secret replaced: by member name, or by the name a key/value pair carries."""
    if isinstance(value, list):
        return [redact(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = _VALUES if is_secret(_name_of(value)) else ()
    return {k: REDACTED if k in hidden or _is_secret_text(k, v) else redact(v) for k, v in value.items()}


def _name_of(pair: dict[str, object]) -> str:
    """Return the setting a pair is about: `key` in OCPP 1.6, `variable.name` in 2.0.1."""
    variable = pair.get("variable")
    return f"{pair.get('key')} {variable.get('name') if isinstance(variable, dict) else ''}"


def _is_secret_text(name: str, value: object) -> bool:
    return isinstance(value, str) and is_secret(name)


@dataclass(frozen=True)
class Transcript:
    """What went over the wire, one JSON object a line, and the hash that stands in the record."""

    data: bytes
    sha256: str


class Recorder:
    """Collects lines until its size is used up; what comes later is counted."""

    def __init__(self, limit: int, password: Verifier | None = None) -> None:
        self._limit = limit
        self._password = password
        self._lines: list[bytes] = []
        self._size = 0
        self._dropped = 0

    def frame(self, direction: str, connection: int, text: str, at: datetime) -> None:
        """Keep a frame: `in` from the station, `out` to it."""
        self._add({"at": iso(at), "connection": connection, "direction": direction, "frame": self._clean(text)})

    def event(self, name: str, connection: int, **facts: object) -> None:
        """Keep what happened to a connection."""
        self._add({"at": iso(utc_now()), "connection": connection, "event": name, **facts})

    def export(self) -> Transcript:
        """Return everything as JSON lines; the last line tells how many were dropped, if any were."""
        end = [_line({"event": "transcript full", "dropped": self._dropped})] if self._dropped else []
        data = b"".join(self._lines + end)
        return Transcript(data, hashlib.sha256(data).hexdigest())

    def _add(self, entry: dict[str, object]) -> None:
        line = _line(entry)
        if self._size + len(line) > self._limit:
            self._dropped += 1
            return
        self._size += len(line)
        self._lines.append(line)

    def _clean(self, text: str) -> str:
        try:
            text = json.dumps(redact(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            text = f"not JSON: {self._hidden(text)[:1000]!r}"
        return self._hidden(text)

    def _hidden(self, text: str) -> str:
        return self._password.hide(text, REDACTED) if self._password else text


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

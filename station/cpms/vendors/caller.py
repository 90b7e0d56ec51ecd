"""HTTP with a vendor's system: JSON in, JSON out, and a status is judged before anything is believed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

from station.cpms.contract import Body, Limits, Rejected
from station.cpms.gate import Gate
from station.cpms.registry import Occupied
from station.cpms.rest import PEER
from station.cpms.wire import parse_json
from station.errors import ConfigError
from station.http import BROKEN, Answer, Authorize, HttpClient, Secret, bearer, open_http, read_json, split_uri
from station.trust import Identify

OPTION = re.compile(r"[A-Za-z0-9._:=,/-]{1,200}")
FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,60}")
REFUSED = frozenset({400, 413, 415, 422})


@dataclass(frozen=True)
class Caller:
    """A vendor's interface."""

    http: HttpClient

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return what is there, or None for 404.

        Raises:
            ServiceError: The system is away, refuses the token or answers nonsense.
        """
        answer = self.http.request("GET", path, params=params)
        return None if answer.status == 404 else self.value(answer)

    def ask(self, path: str, body: Body) -> Any:
        """Return the answer to a POST that changes nothing, such as a query; it may be sent again."""
        return self.value(self.http.request("POST", path, content=json.dumps(body).encode()))

    def put(self, path: str, body: Body) -> Any:
        """Write what is the same however often it is written."""
        return self.value(self.http.request("PUT", path, content=json.dumps(body).encode()))

    def send(self, verb: str, path: str, body: Body | None = None) -> Any:
        """Change something, once.

        Raises:
            Occupied: Something is there already.
            Rejected: The form is refused; names the fields.
            ServiceError: The system is away, refuses the token or answers nonsense.
        """
        answer = self.http.send(verb, path, content=b"" if body is None else json.dumps(body).encode())
        if answer.status == 409:
            raise Occupied
        return self.value(answer)

    def value(self, answer: Answer) -> Any:
        """Return the JSON of an answer of success; None where it has no content."""
        if answer.status in REFUSED:
            raise self.rejected(f"refuses the form of the record: {_fields(answer.content)}")
        if answer.status in (202, 204) or (answer.status == 201 and not answer.content):
            return None
        return parse_json(self.http.content(answer), self.http.name)

    def number(self, row: Any) -> int:
        """Return the number by which the system knows what it gave; it goes into paths.

        Raises:
            ServiceError: There is none.
        """
        found = dig(row, "id")
        if type(found) is not int or found < 0:
            raise self.http.nonsense("that of a record without a number")
        return found

    def rejected(self, why: str) -> Rejected:
        """Return the error for what the system never takes."""
        return Rejected(f"The CPMS {self.http.name} {why}", hint="Ask the CPMS team what it accepts.")

    def must(self, answer: Answer, *statuses: int) -> Answer:
        """Return an answer that has one of these statuses.

        Raises:
            ServiceError: It has another.
        """
        if answer.status in statuses:
            return answer
        raise self.http.away(answer.problem if answer.status == BROKEN else f"status {answer.status}")


@dataclass(frozen=True)
class Options:
    """What a URI says beside the address, none of it secret."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """Return an option."""
        return self.values.get(name, default)

    def needed(self, name: str, why: str) -> str:
        """Return an option without which nothing can be registered.

        Raises:
            ConfigError: It is not there.
        """
        if name not in self.values:
            raise ConfigError(f"environment.cpms: '{name}=' is missing: {why}")
        return self.values[name]

    def number(self, name: str, why: str) -> int:
        """Return an option that is the id of something.

        Raises:
            ConfigError: It is not there, or no number above zero.
        """
        text = self.needed(name, why)
        if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
            raise ConfigError(f"environment.cpms: '{name}=' is a number above zero")
        return int(text)

    def pairs(self, name: str, why: str) -> dict[str, int]:
        """Return an option of the form `AC22=77,DC60=78`.

        Raises:
            ConfigError: It is not there, or of another form.
        """
        found = dict(item.split("=", 1) for item in self.needed(name, why).split(",") if item.count("=") == 1)
        if not found or not all(re.fullmatch(r"[1-9][0-9]{0,17}", value) for value in found.values()):
            raise ConfigError(f"environment.cpms: '{name}=' is of the form MODEL=NUMBER,MODEL=NUMBER")
        return {model: int(value) for model, value in found.items()}


@dataclass(frozen=True)
class Opening:
    """All that it takes to open an adapter."""

    uri: str
    token: Secret
    directory: Path
    identify: Identify | None
    limits: Limits

    def options(self, *names: str) -> Options:
        """Return the URI's options.

        Raises:
            ConfigError: One is not among these, is there twice, or has characters that none has.
        """
        pairs = parse_qsl(split_uri(self.uri, PEER.address).query, keep_blank_values=True)
        values = dict(pairs)
        wrong = [name for name in values if name not in {"ca", *names}]
        if wrong or len(values) != len(pairs) or not all(OPTION.fullmatch(value) for value in values.values()):
            allowed = ", ".join(f"{name}=" for name in ("ca", *names))
            raise ConfigError(f"environment.cpms: this CPMS takes the options {allowed} and nothing secret")
        return Options(values)

    def http(self, authorize: Authorize = bearer, *, netloc: str = "", token: Secret | None = None) -> HttpClient:
        """Open the connection to the address of the URI, or to another one by the same rules.

        Raises:
            ConfigError: The address can't be used.
            ServiceError: The station's certificate can't be had.
        """
        parts = split_uri(self.uri, PEER.address)
        ca = [(name, value) for name, value in parse_qsl(parts.query) if name == "ca"]
        plain = urlunsplit((parts.scheme, netloc or parts.netloc, parts.path, urlencode(ca), parts.fragment))
        found = open_http(PEER, plain, token or self.token, self.directory, self.identify)
        return replace(found, authorize=authorize, gate=Gate(self.limits))


def dig(value: Any, *path: str | int) -> Any:
    """Follow a path through JSON that may be anything; None where it ends."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def whole(text: Any) -> int | None:
    """Return a number that comes as text; None for anything else, or one that is no count."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text) else None


def rows(value: Any) -> list[dict[str, Any]]:
    """Return the objects of what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def fitting(system: str, name: str, value: str, longest: int) -> str:
    """Return a value that a system has room for.

    Raises:
        Rejected: It is too long; nothing is ever cut off.
    """
    if len(value) > longest:
        message = f"{system}: {name} '{value[:60]}' has {len(value)} characters, and there is room for {longest}."
        raise Rejected(message, hint="Shorten it in the product's definition, or register the unit by the batch.")
    return value


def _fields(content: bytes) -> str:
    """Return the names of refused fields, which systems tell as the keys of `errors`; never their values."""
    try:
        told = dig(read_json(content), "errors")
    except ValueError:
        told = None
    names = [name for name in told if isinstance(name, str)] if isinstance(told, dict | list) else []
    return ", ".join(name for name in names[:8] if FIELD.fullmatch(name)) or "it does not say which field"

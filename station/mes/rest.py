"""The MES over HTTP: messages are put under their own id, so the same again is the same; README.md is the contract."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from station.errors import Service
from station.http import Answer, HttpClient, Secret, named_fields, open_http, read_json
from station.mes.contract import Delivered, Delivery, Down, Envelope, parse_envelope
from station.trust import Identify, Peer

PEER = Peer(Service.MES, "MES", "mes.uri", "mes.client")
MESSAGES, QUESTIONS, MISSING, ENDPOINTS = "/v1/messages", "/v1/questions", "/v1/missing", "/v1/endpoints"
PAGE = 20
"""Messages of the feed that are asked for at once."""
MOST_IDS = 500
"""Ids of one question about missing messages."""
MOST_BYTES = 4 * 1024 * 1024
"""Largest answer: work orders bring lists of numbers."""
REFUSALS = frozenset({400, 409, 413, 422})
"""What sending again does not change."""


@dataclass(frozen=True)
class Caller:
    """How the station shows who it is."""

    token: Secret
    directory: Path = Path()
    """Where `ca=` files are found."""
    identify: Identify | None = None
    """Give the certificate by which the MES knows this station (mutual TLS)."""


@dataclass(frozen=True)
class RestMes:
    """An MES behind the interface that README.md describes."""

    http: HttpClient
    station: str

    @property
    def name(self) -> str:
        """Return its address, which holds no secret."""
        return self.http.name

    @property
    def answers(self) -> bool:
        """Tell that it can be asked."""
        return True

    def deliver(self, envelope: Envelope) -> Delivery:
        """Give the MES a message; the same again is `KNOWN`."""
        answer = self.http.request("PUT", f"{MESSAGES}/{envelope.id}", content=envelope.document())
        if answer.status in REFUSALS:
            return Delivery(Delivered.REFUSED, _reason(answer))
        found = self._json(answer)
        if not isinstance(found, dict) or found.get("UniqueID") != envelope.id:
            raise self.http.nonsense("not a receipt of the message")
        return Delivery(Delivered.KEPT if answer.status == 201 else Delivered.KNOWN)

    def ask(self, envelope: Envelope) -> Envelope:
        """Ask something and return the answer to it."""
        answer = self._envelope(self._json(self.http.request("POST", QUESTIONS, content=envelope.document())))
        if answer.request != envelope.id:
            raise self.http.nonsense("the answer to another question")
        return answer

    def fetch(self, after: int) -> tuple[Down, ...]:
        """Return the next messages behind a position of the MES's feed, in any order."""
        path = f"{ENDPOINTS}/{quote(self.station, safe='')}/messages"
        found = self._json(self.http.request("GET", path, params={"after": str(after), "limit": str(PAGE)}))
        messages = found.get("messages") if isinstance(found, dict) else None
        if not isinstance(messages, list) or len(messages) > PAGE:
            raise self.http.nonsense(f"not a list of at most {PAGE} messages")
        return tuple(self._down(one) for one in messages)

    def confirm(self, down: Down, sentence: str, *, accepted: bool) -> None:
        """Do nothing: the next position asked for confirms, and our answers are messages."""

    def missing(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of these messages the MES does not have."""
        gone: list[str] = []
        for start in range(0, len(ids), MOST_IDS):
            asked = ids[start : start + MOST_IDS]
            found = self._json(self.http.request("POST", MISSING, content=json.dumps({"ids": asked}).encode()))
            missing = found.get("missing") if isinstance(found, dict) else None
            if not isinstance(missing, list) or not set(map(str, missing)) <= set(asked):
                raise self.http.nonsense("not a list of messages that were asked for")
            gone.extend(missing)
        return tuple(gone)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _json(self, answer: Answer) -> Any:
        content = self.http.content(answer)
        try:
            return read_json(content)
        except ValueError as error:
            raise self.http.nonsense("not JSON") from error

    def _down(self, value: object) -> Down:
        position = value.get("position") if isinstance(value, dict) else None
        if type(position) is not int or not 0 < position < 2**53 or not isinstance(value, dict):
            raise self.http.nonsense("a message without its position")
        return Down(position, self._envelope(value.get("envelope")))

    def _envelope(self, value: object) -> Envelope:
        try:
            return parse_envelope(value)
        except ValueError as error:
            raise self.http.nonsense(str(error)) from error


def open_rest(uri: str, station: str, caller: Caller, seconds: float) -> RestMes:
    """Open `https://host[:port][?ca=FILE]`, or `http://` on this computer only.

    Raises:
        ConfigError: The URI names a user, a path or another option, the token would cross a network in clear, or the
            station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had.
    """
    http = open_http(PEER, uri, caller.token, caller.directory, caller.identify)
    return RestMes(replace(http, seconds=seconds, most_bytes=MOST_BYTES), station)


def _reason(answer: Answer) -> str:
    return f"status {answer.status}, {named_fields(answer.content)}"

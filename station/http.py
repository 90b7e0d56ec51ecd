"""HTTP to the services beside the station: the only module that knows httpx, and httpcore below it.

What is idempotent (GET, and what is keyed) may be sent again; what is not is sent once. Answers are bounded in size and
time, redirects are not followed, proxies and .netrc of the environment are not used, and the token is asked for at
each request and never put into a URI, a log or an exception.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpcore
import httpx

from station.clock import Deadline
from station.errors import ConfigError, ServiceError
from station.trust import Identify, Peer, Trust, open_trust, tls_problem

REQUEST_SECONDS = 10.0
"""Time for one verb, with all its attempts; a pause between bytes counts too, a slow body is cut off."""
SILENCE_SECONDS = 5.0
MOST_CONNECTIONS = 100
IDLE_SECONDS = 5.0
"""How long a connection waits for the next request."""
ATTEMPTS = 3
LONGEST_PAUSE_SECONDS = 2.0
MAX_BYTES = 256 * 1024
"""Largest answer that is read."""
BROKEN = 0
"""Stands for the status of an answer that never came."""
AGAIN = frozenset({BROKEN, 429, 500, 502, 503, 504})
DEADLINE = "station.deadline"
"""Extension of a request: when it has to be answered."""
TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")

Secret = Callable[[], str]
"""Give the access token when it is needed; it never stands in a URI, a log or an exception."""
Authorize = Callable[[str], Mapping[str, str]]
"""Make the headers by which a service knows us from the access token."""


def bearer(token: str) -> Mapping[str, str]:
    """Show the token as RFC 6750 does, which most services expect."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Answer:
    """An answer that fits the bounds."""

    status: int
    content: bytes = b""
    pause: float = 0.0
    """Seconds that the service asks us to wait."""
    problem: str = ""
    """Why there is no answer."""
    location: str = ""
    """Where a redirection leads; it is not followed."""


class _Current(threading.local):
    """The deadline of the request that a thread has under way; a connection may serve another thread next."""

    deadline = Deadline(0.0)

    def at_most(self, seconds: float | None) -> float:
        """Return the time to wait for the network, in seconds.

        Raises:
            httpcore.ReadTimeout: None is left, although bytes may still come.
        """
        left = self.deadline.remaining
        if not left:
            raise httpcore.ReadTimeout
        return left if seconds is None else min(seconds, left)


class _Stream(httpcore.NetworkStream):
    """A connection on which a request has no more time than its deadline leaves, however slowly its answer drips."""

    def __init__(self, stream: httpcore.NetworkStream, current: _Current) -> None:
        self._stream, self._current = stream, current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._current.at_most(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._current.at_most(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._current.at_most(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.SyncBackend):
    """Makes such connections."""

    def __init__(self, current: _Current) -> None:
        self._current = current

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._current.at_most(timeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._current)


class _Transport(httpx.HTTPTransport):
    """Holds each request to the deadline that it brings, headers and interim answers too.

    The time limits of the HTTP library count from byte to byte.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = _Current()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=MOST_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Network(self._current),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._current.deadline = request.extensions[DEADLINE]
        return super().handle_request(request)


@dataclass(frozen=True)
class HttpClient:
    """A service that is asked over HTTP; safe to use from several threads."""

    client: httpx.Client
    token: Secret
    name: str
    """Its address, which holds no secret."""
    trust: Trust
    seconds: float = REQUEST_SECONDS
    most_bytes: int = MAX_BYTES
    authorize: Authorize = bearer
    gate: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Entered for each request with all its attempts."""

    @property
    def peer(self) -> Peer:
        """Return who is at the other end."""
        return self.trust.peer

    def request(self, verb: str, path: str, *, params: Mapping[str, str] | None = None, content: bytes = b"") -> Answer:
        """Send a request, again after a passing fault while there is time; the answer may be `BROKEN`.

        Raises:
            ServiceError: No answer in time.
        """
        request = self.client.build_request(verb, path, params=params, content=content, headers=self._headers())
        with self.gate:
            deadline = Deadline(self.seconds)
            answer = self._once(request, deadline)
            for attempt in range(1, ATTEMPTS):
                if answer.status not in AGAIN or deadline.expired:
                    break
                pause = answer.pause or 0.1 * 2**attempt
                time.sleep(min(pause, LONGEST_PAUSE_SECONDS, deadline.remaining))
                answer = self._once(request, deadline)
        return answer

    def send(self, verb: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request that may have another effect when it is repeated, so once; the answer may be `BROKEN`.

        Raises:
            ServiceError: No answer in time.
        """
        shown = {**self._headers(), **(headers or {})}
        request = self.client.build_request(verb, path, content=content, headers=shown)
        with self.gate:
            return self._once(request, Deadline(self.seconds))

    def content(self, answer: Answer) -> bytes:
        """Return the content of a success.

        Raises:
            ServiceError: The status is not one of success.
        """
        if answer.status in (200, 201):
            return answer.content
        if answer.status == BROKEN:
            raise self.away(answer.problem)
        if answer.status in (401, 403):
            raise self.trouble("refuses the access token", f"Renew the token of the {self.peer.title}.")
        if answer.status in (400, 422):
            fields = named_fields(answer.content)
            hint = f"Ask the {self.peer.title} team what it accepts."
            raise self.trouble(f"refuses the form of the record: {fields}", hint)
        raise self.away(f"status {answer.status}")

    def away(self, reason: str) -> ServiceError:
        """Return the error for a service that is not there now."""
        hint = f"Check the network to the {self.peer.title}; the station tries again by itself."
        return self.trouble(f"is away: {reason}", hint)

    def trouble(self, what: str, hint: str) -> ServiceError:
        """Return the error for a service that is there and does not serve."""
        return ServiceError(self.peer.service, f"The {self.peer.title} {self.name} {what}", hint=hint, stops_line=False)

    def nonsense(self, what: str) -> ServiceError:
        """Return the error for an answer that can't be used."""
        hint = f"Ask the {self.peer.title} team what answers at this address."
        return ServiceError(self.peer.service, f"{self.name}: the answer is {what}", hint=hint, stops_line=False)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _once(self, request: httpx.Request, deadline: Deadline) -> Answer:
        self.trust.refresh()
        request.extensions[DEADLINE] = deadline
        request.extensions["timeout"] = httpx.Timeout(max(0.001, deadline.at_most(SILENCE_SECONDS).remaining)).as_dict()
        try:
            response = self.client.send(request, stream=True)
            try:
                content, location = self._body(response, deadline), response.headers.get("Location", "")
                return Answer(response.status_code, content, _pause(response), location=location)
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise self.away("no answer in time") from error
        except httpx.HTTPError as error:
            return Answer(BROKEN, problem=tls_problem(error) or self._broken(error))

    def _broken(self, error: httpx.HTTPError) -> str:
        """Name a fault of the connection; one that just ends may be a server that refuses who we are."""
        name = type(error).__name__
        silent = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        return f"{name}; it may refuse this station's certificate" if silent and self.trust.identify else name

    def _body(self, response: httpx.Response, deadline: Deadline) -> bytes:
        content = bytearray()
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > self.most_bytes:
                raise self.nonsense(f"more than {self.most_bytes} bytes")
            if deadline.expired:
                raise self.away("the answer takes too long")
        return bytes(content)

    def _headers(self) -> dict[str, str]:
        token = self.token().strip()
        # An ill-formed header value would stand in full in the HTTP library's exception.
        if not TOKEN.fullmatch(token):
            raise self.trouble("has no usable access token here", f"Write the token of the {self.peer.title} again.")
        return dict(self.authorize(token))


def open_http(
    peer: Peer, uri: str, token: Secret, directory: Path = Path(), identify: Identify | None = None
) -> HttpClient:
    """Open `[prefix+]https://host[:port][?ca=FILE]`, or `http://` on this computer only.

    Raises:
        ConfigError: The URI names a user, a path or another option, the token would cross a network in clear, or the
            station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had.
    """
    parts = split_uri(uri, peer.address)
    options = parse_qs(parts.query)
    if "@" in parts.netloc or not parts.hostname or parts.path.strip("/") or parts.fragment or set(options) - {"ca"}:
        _refuse(peer, "takes a host and a port, and nothing that identifies you; the token is a secret of its own")
    tls = parts.scheme.endswith("https")
    if not tls and not _is_local(parts.hostname or ""):
        _refuse(peer, "over plain http is for this computer only, as the token would be read on the way")
    if not tls and identify is not None:
        raise ConfigError(f"{peer.client}: '{parts.scheme}:' knows no client certificates")
    name = f"{parts.scheme}://{parts.netloc}"
    ca = options.get("ca", [""])[0]
    trust = open_trust(peer, directory / ca if ca else None, identify)
    return HttpClient(_client(peer, name.rpartition("+")[2], trust), token, name, trust)


def open_anonymous(peer: Peer, url: str, ca: Path | None = None) -> HttpClient:
    """Open `http[s]://host[:port]` of a device on the factory's own network that asks for no token.

    Raises:
        ConfigError: The host is none, or the file of its CA can't be used.
    """
    trust = open_trust(peer, ca, None)
    return HttpClient(_client(peer, url, trust), lambda: "none", url, trust, authorize=lambda _: {})


def split_uri(uri: str, setting: str) -> SplitResult:
    """Return the parts of a URI.

    Raises:
        ConfigError: It is none; names the setting, and does not show what may hold a password.
    """
    try:
        parts = urlsplit(uri)
        # The port is read and judged at its first use.
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{setting}: this is not a URI", hint="Write it as scheme://host:port.") from error
    return parts


def _client(peer: Peer, url: str, trust: Trust) -> httpx.Client:
    told = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        return httpx.Client(base_url=url, headers=told, transport=_Transport(trust.context), trust_env=False)
    except httpx.InvalidURL as error:
        raise ConfigError(f"{peer.address}: the host of this {peer.title} is none") from error


def read_json(content: bytes) -> Any:
    """Return the JSON value of an answer.

    Raises:
        ValueError: It is not JSON; NaN and infinities are none.
    """
    try:
        return json.loads(content, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error


def named_fields(content: bytes) -> str:
    """Return the names of refused fields from a validation answer, never its values."""
    try:
        found = read_json(content).get("detail", [])
        names = [".".join(str(part) for part in item["loc"]) for item in found]
    except (ValueError, AttributeError, KeyError, TypeError):
        return "it does not say which field"
    clean = [name for name in names if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", name)]
    return ", ".join(clean[:8]) or "it does not say which field"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(peer: Peer, reason: str) -> NoReturn:
    # The URI is not shown: what is wrong with it may be a password in it.
    raise ConfigError(f"{peer.address}: this {peer.title} {reason}")


def _pause(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"\d{1,4}", value) else 0.0


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")

"""The staging CPMS over HTTP: the only module that knows httpx.

Every request of ours is idempotent (GET, and PUT keyed on serial and revision), so it may be sent again. Answers are
bounded in size and time, redirects are not followed, proxies and .netrc of the environment are not used, and the token
is asked for at each request and never put into a URI, a log or an exception.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

import httpx

from station.clock import Deadline
from station.cpms.contract import Body, Record, Secret
from station.cpms.payload import canonical
from station.cpms.registry import Occupied, Registry
from station.cpms.tls import Identify, Trust, open_trust, tls_problem
from station.cpms.wire import (
    MAX_BYTES,
    SERIAL,
    nonsense,
    parse_json,
    parse_record,
    parse_revocation,
    safe_number,
    safe_serial,
)
from station.errors import ConfigError, Service, ServiceError

REQUEST_SECONDS = 10.0
"""Time for one verb, with all its attempts; a pause between bytes counts too, a slow body is cut off."""
SILENCE_SECONDS = 5.0
ATTEMPTS = 3
LONGEST_PAUSE_SECONDS = 2.0
BROKEN = 0
"""Stands for the status of an answer that never came."""
AGAIN = frozenset({BROKEN, 429, 500, 502, 503, 504})
TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
CHARGERS = "/api/v1/chargers"


@dataclass(frozen=True)
class Answer:
    """An answer that fits the bounds."""

    status: int
    content: bytes = b""
    pause: float = 0.0
    """Seconds that the CPMS asks us to wait."""
    problem: str = ""
    """Why there is no answer."""


@dataclass(frozen=True)
class Rest:
    """Chargers behind the REST interface that `fixtures/cpms_openapi.json` describes."""

    client: httpx.Client
    token: Secret
    name: str
    trust: Trust
    seconds: float = REQUEST_SECONDS

    def read(self, serial: str) -> Record | None:
        """Return a record, or None."""
        answer = self._request("GET", f"{CHARGERS}/{safe_serial(serial)}")
        if answer.status == 404:
            return None
        record = parse_record(self._content(answer), self.name)
        if record.serial != serial:
            raise nonsense(self.name, "the record of another unit")
        return record

    def create(self, serial: str, revision: int, body: Body) -> bool:
        """Create a record; the CPMS answers 201 for a new one, 200 for the same, 409 for any other.

        Raises:
            Occupied: The CPMS has other content for this serial, identity or certificate.
        """
        path = f"{CHARGERS}/{safe_serial(serial)}"
        answer = self._request("PUT", path, params={"revision": str(revision)}, content=canonical(body))
        if answer.status == 409:
            raise Occupied
        self._content(answer)
        return answer.status == 201

    def revocation(self, serial: str, certificate_serial: str) -> Body | None:
        """Return what the CPMS knows of a revoked certificate, or None."""
        answer = self._request("GET", _revocation_path(serial, certificate_serial))
        return None if answer.status == 404 else parse_revocation(self._content(answer), self.name)

    def revoke(self, serial: str, certificate_serial: str, body: Body) -> bool:
        """Tell of a revoked certificate; 201 for a new one, 200 for the same, 409 for any other.

        Raises:
            Occupied: The CPMS has other content for this certificate.
        """
        answer = self._request("PUT", _revocation_path(serial, certificate_serial), content=canonical(body))
        if answer.status == 409:
            raise Occupied
        self._content(answer)
        return answer.status == 201

    def holders(self, field: str, value: str) -> tuple[str, ...]:
        """Return the serials that are registered with this identity or certificate."""
        found = parse_json(self._content(self._request("GET", CHARGERS, params={field: value})), self.name)
        serials = found.get("serials") if isinstance(found, dict) else None
        if not isinstance(serials, list) or not all(isinstance(s, str) and SERIAL.fullmatch(s) for s in serials):
            raise nonsense(self.name, "not a list of serial numbers")
        return tuple(serials)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _request(
        self, verb: str, path: str, *, params: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        """Send a request, again after a passing fault while there is time.

        Raises:
            ServiceError: No answer in time.
        """
        deadline = Deadline(self.seconds)
        request = self.client.build_request(verb, path, params=params, content=content, headers=self._headers())
        answer = self._once(request, deadline)
        for attempt in range(1, ATTEMPTS):
            if answer.status not in AGAIN or deadline.expired:
                break
            pause = answer.pause or 0.1 * 2**attempt
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS, deadline.remaining))
            answer = self._once(request, deadline)
        return answer

    def _once(self, request: httpx.Request, deadline: Deadline) -> Answer:
        self.trust.refresh()
        request.extensions["timeout"] = httpx.Timeout(max(0.001, deadline.at_most(SILENCE_SECONDS).remaining)).as_dict()
        try:
            response = self.client.send(request, stream=True)
            try:
                return Answer(response.status_code, self._body(response, deadline), _pause(response))
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise self._away("no answer in time") from error
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
            if len(content) > MAX_BYTES:
                raise nonsense(self.name, f"more than {MAX_BYTES} bytes")
            if deadline.expired:
                raise self._away("the answer takes too long")
        return bytes(content)

    def _content(self, answer: Answer) -> bytes:
        """Return the content of a success.

        Raises:
            ServiceError: The status is not one of success.
        """
        if answer.status in (200, 201):
            return answer.content
        if answer.status == BROKEN:
            raise self._away(answer.problem)
        if answer.status in (401, 403):
            raise self._trouble("refuses the access token", "Renew the token of the CPMS.")
        if answer.status in (400, 422):
            fields = _named_fields(answer.content)
            raise self._trouble(f"refuses the form of the record: {fields}", "Ask the CPMS team what it accepts.")
        raise self._away(f"status {answer.status}")

    def _headers(self) -> dict[str, str]:
        token = self.token().strip()
        # An ill-formed header value would stand in full in the HTTP library's exception.
        if not TOKEN.fullmatch(token):
            raise self._trouble("has no usable access token here", "Write the token of the CPMS again.")
        return {"Authorization": f"Bearer {token}"}

    def _away(self, reason: str) -> ServiceError:
        return self._trouble(f"is away: {reason}", "Check the network to the CPMS; the station tries again by itself.")

    def _trouble(self, what: str, hint: str) -> ServiceError:
        return ServiceError(Service.CPMS, f"The CPMS {self.name} {what}", hint=hint, stops_line=False)


def open_rest(uri: str, token: Secret, directory: Path, identify: Identify | None = None) -> Registry:
    """Open `staging+https://host[:port][?ca=FILE]`, or `staging+http://` on this computer only.

    Raises:
        ConfigError: The URI names a user, a path or another option, the token would cross a network in clear, or the
            station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had.
    """
    parts = urlsplit(uri)
    options = parse_qs(parts.query)
    if "@" in parts.netloc or not parts.hostname or parts.path.strip("/") or parts.fragment or set(options) - {"ca"}:
        _refuse("takes a host and a port, and nothing that identifies you; the token is a secret of its own")
    tls = parts.scheme.endswith("https")
    if not tls and not _is_local(parts.hostname or ""):
        _refuse("over plain http is for this computer only, as the token would be read on the way")
    name = f"{parts.scheme}://{parts.netloc}"
    ca = options.get("ca", [""])[0]
    trust = open_trust(directory / ca if ca else None, identify)
    client = httpx.Client(
        base_url=name.removeprefix("staging+"),
        verify=trust.context,
        headers={"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"},
        trust_env=False,
    )
    return Registry(name, Rest(client, token, name, trust))


def _revocation_path(serial: str, certificate_serial: str) -> str:
    return f"{CHARGERS}/{safe_serial(serial)}/revocations/{safe_number(certificate_serial)}"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(reason: str) -> NoReturn:
    # The URI is not shown: what is wrong with it may be a password in it.
    raise ConfigError(f"cpms.uri: this CPMS {reason}")


def _pause(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"\d{1,4}", value) else 0.0


def _named_fields(content: bytes) -> str:
    """Return the names of refused fields from a validation answer, never its values."""
    try:
        found = parse_json(content, "").get("detail", [])
        names = [".".join(str(part) for part in item["loc"]) for item in found]
    except (ServiceError, AttributeError, KeyError, TypeError):
        return "it does not say which field"
    clean = [name for name in names if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", name)]
    return ", ".join(clean[:8]) or "it does not say which field"

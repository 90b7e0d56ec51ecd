"""The staging CPMS over HTTP; every request of ours is idempotent (GET, and PUT keyed on serial and revision)."""

from dataclasses import dataclass, replace
from pathlib import Path

from pki.passwords import Password
from station.cpms.contract import Body, Limits, Record, Rejected
from station.cpms.gate import Gate
from station.cpms.payload import canonical
from station.cpms.registry import Occupied, Registry
from station.cpms.wire import (
    SERIAL,
    nonsense,
    parse_json,
    parse_record,
    parse_revocation,
    parse_withdrawal,
    safe_number,
    safe_serial,
)
from station.errors import Service
from station.http import Answer, HttpClient, Secret, named_fields, open_http
from station.trust import Identify, Peer

CHARGERS = "/api/v1/chargers"
REFUSED = (400, 413, 422)
PROOFS = 2
"""Who keeps a password knows it the second time."""
LIMITS = Limits(16)
PEER = Peer(Service.CPMS, "CPMS", "environment.cpms", "cpms.client")


@dataclass(frozen=True)
class Rest:
    """Chargers behind the REST interface that `fixtures/cpms_openapi.json` describes."""

    http: HttpClient

    def read(self, serial: str) -> Record | None:
        """Return a record, or None."""
        answer = self.http.request("GET", f"{CHARGERS}/{safe_serial(serial)}")
        if answer.status == 404:
            return None
        record = parse_record(self.http.content(answer), self.http.name)
        if record.serial != serial:
            raise nonsense(self.http.name, "the record of another unit")
        return record

    def create(self, serial: str, revision: int, body: Body) -> bool:
        """Create a record; the CPMS answers 201 for a new one, 200 for the same, 409 for any other.

        Raises:
            Occupied: The CPMS has other content for this serial, identity or certificate.
        """
        path = f"{CHARGERS}/{safe_serial(serial)}"
        answer = self.http.request("PUT", path, params={"revision": str(revision)}, content=canonical(body))
        return self._is_new(answer)

    def entrust(self, serial: str, password: Password) -> None:
        """Have a password kept; the CPMS answers 201 for a new one, 200 for the same, 409 for any other.

        Raises:
            Occupied: The CPMS has another password for this charger.
            ServiceError: It says that it kept the password, and does not know it when it is asked again.
        """
        path, content = f"{CHARGERS}/{safe_serial(serial)}/credential", canonical({"password": password.reveal()})
        for _ in range(PROOFS):
            if not self._is_new(self.http.request("PUT", path, content=content)):
                return
        raise nonsense(self.http.name, "not that of a CPMS that keeps passwords")

    def revocation(self, serial: str, certificate_serial: str) -> Body | None:
        """Return what the CPMS knows of a revoked certificate, or None."""
        answer = self.http.request("GET", _revocation_path(serial, certificate_serial))
        return None if answer.status == 404 else parse_revocation(self.http.content(answer), self.http.name)

    def revoke(self, serial: str, certificate_serial: str, body: Body) -> bool:
        """Tell of a revoked certificate; 201 for a new one, 200 for the same, 409 for any other.

        Raises:
            Occupied: The CPMS has other content for this certificate.
        """
        answer = self.http.request("PUT", _revocation_path(serial, certificate_serial), content=canonical(body))
        return self._is_new(answer)

    def withdrawal(self, serial: str, revision: int) -> Body | None:
        """Return why a registration was withdrawn, or None."""
        answer = self.http.request("GET", _withdrawal_path(serial, revision))
        return None if answer.status == 404 else parse_withdrawal(self.http.content(answer), self.http.name)

    def withdraw(self, serial: str, revision: int, body: Body) -> bool:
        """Withdraw a registration; 201 for a new withdrawal, 200 for the same, 409 for any other.

        Raises:
            Occupied: It was withdrawn for another reason.
        """
        answer = self.http.request("PUT", _withdrawal_path(serial, revision), content=canonical(body))
        return self._is_new(answer)

    def holders(self, field: str, value: str) -> tuple[str, ...]:
        """Return the serials that are registered with this identity or certificate."""
        return self._serials({field: value})

    def page(self, after: str) -> tuple[str, ...]:
        """Return the next serials in their order; none at the end."""
        return self._serials({"after": after})

    def _serials(self, params: dict[str, str]) -> tuple[str, ...]:
        found = parse_json(self.http.content(self.http.request("GET", CHARGERS, params=params)), self.http.name)
        serials = found.get("serials") if isinstance(found, dict) else None
        if not isinstance(serials, list) or not all(isinstance(s, str) and SERIAL.fullmatch(s) for s in serials):
            raise nonsense(self.http.name, "not a list of serial numbers")
        return tuple(serials)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _is_new(self, answer: Answer) -> bool:
        """Tell whether an answer to PUT speaks of something new.

        Raises:
            Occupied: It speaks of other content.
            Rejected: It refuses the form.
        """
        if answer.status == 409:
            raise Occupied
        if answer.status in REFUSED:
            fields = named_fields(answer.content)
            message = f"The CPMS {self.http.name} refuses the form of the record: {fields}"
            raise Rejected(message, hint="Ask the CPMS team what it accepts.")
        self.http.content(answer)
        return answer.status == 201


def open_rest(uri: str, token: Secret, directory: Path, identify: Identify | None = None) -> Registry:
    """Open `staging+https://host[:port][?ca=FILE]`, or `staging+http://` on this computer only.

    Raises:
        ConfigError: The URI names a user, a path or another option, the token would cross a network in clear, or the
            station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had.
    """
    http = open_http(PEER, uri, token, directory, identify)
    return Registry(http.name, Rest(replace(http, gate=Gate(LIMITS))), LIMITS, by_password=True)


def _withdrawal_path(serial: str, revision: int) -> str:
    return f"{CHARGERS}/{safe_serial(serial)}/withdrawals/{revision:d}"


def _revocation_path(serial: str, certificate_serial: str) -> str:
    return f"{CHARGERS}/{safe_serial(serial)}/revocations/{safe_number(certificate_serial)}"

"""Monta's Partner API: each outlet is a charge point of its own, with an integration for serial number and password.

Written from its published description; untested against a live system. Writing an integration replaces the one that is
there, so it is only ever written where there is none. Team, site and the catalogue's number of each model are the
operator's: they stand in the URI. `autoConnect` is off, as the unit is not in the field: the integration is pending.

URI: `monta+https://host?team=1&site=2&models=AC22=77,DC60=78[&ca=FILE]`; the secret holds
`clientId:clientSecret`.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from station.cpms.contract import Body, Limits, Rejected
from station.cpms.vendors.caller import Caller, Opening, dig, rows
from station.cpms.vendors.registrar import CERTIFICATE, PASSWORD, SET, Registrar, Wanted
from station.http import Answer, HttpClient
from station.model import Connector, UnitRecord

LIMITS = Limits(2, 1.6)
"""1,000 requests in 600 seconds where the operator agreed on nothing else."""
API = "/api/v1"
POINTS, INTEGRATIONS = f"{API}/charge-points", f"{API}/charge-point-integrations"
MOST_KW = 10_000
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
EARLY = timedelta(minutes=2)
"""An access token is not used in its last minutes."""


class Session:
    """The access token that client id and secret are exchanged for, until shortly before its end."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._caller = Caller(http)
        self._lock = threading.Lock()
        self._token, self._until = "", LONG_AGO

    def token(self) -> str:
        """Return an access token that is good for a while.

        Raises:
            ServiceError: Client id and secret are refused, or Monta is away.
        """
        with self._lock:
            if datetime.now(UTC) > self._until - EARLY:
                self._renew()
            return self._token

    def forget(self) -> None:
        """Use the token no more."""
        with self._lock:
            self._until = LONG_AGO

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _renew(self) -> None:
        name, _, secret = self._http.token().strip().partition(":")
        told = self._caller.ask(f"{API}/auth/token", {"clientId": name, "clientSecret": secret})
        token, until = dig(told, "accessToken"), dig(told, "accessTokenExpirationDate")
        try:
            # Nanoseconds are more than a datetime holds.
            self._until = datetime.fromisoformat(str(until)[:19]).replace(tzinfo=UTC)
        except ValueError as error:
            raise self._http.nonsense("that of a sign-in, without its end") from error
        self._token = str(token)


@dataclass(frozen=True)
class MontaCaller(Caller):
    """The interface behind the sign-in."""

    session: Session

    def value(self, answer: Answer) -> Any:
        """Return the JSON of an answer of success; a refused token is not shown again."""
        if answer.status == 401:
            self.session.forget()
        return super().value(answer)


@dataclass(frozen=True)
class Monta:
    """One team at one site of an operator."""

    caller: MontaCaller
    team: int
    site: int
    models: Mapping[str, int]

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "Monta"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return outlets, and what stands in the payload that Monta keeps for its partners."""
        if record.model not in self.models:
            message = f"Monta's number of the model {record.model} is not known."
            raise Rejected(message, hint=f"Add {record.model}=NUMBER to models= of the environment's CPMS.")
        return {
            "serial": record.serial,
            "revision": revision,
            CERTIFICATE: record.certificate_sha256.lower(),
            "model": self.models[record.model],
            "outlets": [_outlet(record.serial, each) for each in record.connectors],
        }

    def find(self, wanted: Wanted) -> Body | None:
        """Return all charge points of a unit with their integrations."""
        points = self._points(wanted.serial)
        if not points:
            return None
        integrations = [self._integration(point) for point in points]
        told = _payload(points[0])
        whole = wanted.password is not None and all(integrations)
        return {
            "serial": told.get("serial"),
            "revision": told.get("revision"),
            CERTIFICATE: told.get(CERTIFICATE),
            "model": dig(integrations[0], "chargePointModelId"),
            "outlets": [_kept(*pair) for pair in zip(points, integrations, strict=True)],
            PASSWORD: SET if whole else None,
        }

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add each charge point that is not there, and an integration where there is none."""
        del found
        present = {str(point.get("name")): point for point in self._points(wanted.serial)}
        for outlet in wanted.shape["outlets"]:
            point = present.get(outlet["name"]) or self._add(wanted, outlet)
            if self._integration(point) is None:
                self._integrate(wanted, point, outlet)

    def remove(self, serial: str) -> None:
        """Delete all charge points of a unit, each after its integration."""
        for point in self._points(serial):
            integration = self._integration(point)
            if integration is not None:
                self.caller.send("DELETE", f"{INTEGRATIONS}/{self.caller.number(integration)}")
            self.caller.send("DELETE", f"{POINTS}/{self.caller.number(point)}")

    def notes(self) -> tuple[str, ...]:
        """Ask for the rate that was agreed on."""
        told = self.caller.get(f"{API}/auth/me")
        rate, seconds = dig(told, "rateLimit"), dig(told, "rateLimitIntervalInSeconds")
        return (f"it lets {rate} requests in {seconds} s, and this station asks {LIMITS.per_second:g} a second",)

    def close(self) -> None:
        """Close both connections."""
        self.caller.http.close()
        self.caller.session.close()

    def _points(self, serial: str) -> list[dict[str, Any]]:
        told = self.caller.get(POINTS, {"partnerExternalId": serial, "page": "0", "perPage": "100"})
        if not isinstance(dig(told, "data"), list):
            raise self.caller.http.nonsense("not a list of charge points")
        found = [point for point in rows(dig(told, "data")) if point.get("partnerExternalId") == serial]
        return sorted(found, key=lambda point: str(point.get("name")))

    def _integration(self, point: dict[str, Any]) -> dict[str, Any] | None:
        number = self.caller.number(point)
        told = self.caller.get(INTEGRATIONS, {"chargePointId": str(number), "page": "0", "perPage": "100"})
        found = [each for each in rows(dig(told, "data")) if each.get("chargePointId") == number]
        return found[0] if found else None

    def _add(self, wanted: Wanted, outlet: Body) -> dict[str, Any]:
        told = {name: wanted.shape[name] for name in ("serial", "revision", CERTIFICATE)}
        body = {
            "teamId": self.team,
            "siteId": self.site,
            "chargePointModelId": wanted.shape["model"],
            "name": outlet["name"],
            "maxKw": outlet["max_power_w"] / 1000,
            "visibility": "private",
            "type": outlet["type"],
            "showOnMap": False,
            "partnerExternalId": wanted.serial,
            "partnerCustomPayload": told,
        }
        made = self.caller.send("POST", POINTS, body)
        self.caller.number(made)
        return dict(made)

    def _integrate(self, wanted: Wanted, point: dict[str, Any], outlet: Body) -> None:
        body: Body = {
            "chargePointId": self.caller.number(point),
            "chargePointModelId": wanted.shape["model"],
            "serialNumber": wanted.serial,
            "connectorId": outlet["connector"],
            "autoConnect": False,
        }
        if wanted.password is not None:
            body["password"] = wanted.password().reveal()
        self.caller.value(self.caller.http.send("PUT", INTEGRATIONS, content=json.dumps(body).encode()))


def open_monta(opening: Opening) -> Registrar:
    """Open a Monta.

    Raises:
        ConfigError: An option is missing or wrong.
        ServiceError: The station's certificate can't be had.
    """
    options = opening.options("team", "site", "models")
    team = options.number("team", "the number of the team that units belong to")
    site = options.number("site", "the number of the site where units wait")
    models = options.pairs("models", "Monta's number of each model, such as models=AC22=77")
    session = Session(opening.http(lambda _: {}))
    http = opening.http(token=session.token)
    return Registrar(http.name, Monta(MontaCaller(http, session), team, site, models), opening.limits)


def _outlet(serial: str, connector: Connector) -> Body:
    return {
        "name": f"{serial} {connector.letter}",
        "connector": connector.evse,
        "serial": serial,
        "type": "ac" if connector.phases else "dc",
        "max_power_w": connector.max_power_w,
    }


def _kept(point: dict[str, Any], integration: dict[str, Any] | None) -> Body:
    power = point.get("maxKw")
    return {
        "name": point.get("name"),
        "connector": dig(integration, "connectorId"),
        "serial": dig(integration, "serialNumber"),
        "type": point.get("type"),
        "max_power_w": round(power * 1000) if isinstance(power, int | float) and 0 < power < MOST_KW else None,
    }


def _payload(point: dict[str, Any]) -> dict[str, Any]:
    told = point.get("partnerCustomPayload")
    return told if isinstance(told, dict) else {}

"""AMPECO's Public API: a charge point with its OCPP identity, its EVSEs, and their connectors, one request each.

Written from its published description (3.110); untested against a live system. A charge point that is not a personal
one must have a location, so the operator names one for stock. The password is written with the request that creates
the charge point and can't be read back. Outlets that are there are never changed.

URI: `ampeco+https://host[:port]?location=12[&model=77][&ca=FILE]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from station.cpms.contract import Body, Limits
from station.cpms.vendors.caller import Caller, Opening, dig, rows, whole
from station.cpms.vendors.outlets import is_socket, words
from station.cpms.vendors.registrar import PASSWORD, SET, Registrar, Wanted
from station.model import Connector, UnitRecord

LIMITS = Limits(2, 10.0)
"""It is rate limited; how far, its operator says."""
POINTS = "/public-api/resources/charge-points/v2.0"
PROTOCOLS: Mapping[str, str] = {"ocpp1.6": "ocpp 1.6", "ocpp2.0.1": "ocpp 2.0.1", "ocpp2.1": "ocpp 2.1"}
NOT_YET = "disabled"
"""The unit is not in the field; its operator enables it there."""


@dataclass(frozen=True)
class Ampeco:
    """One operator's AMPECO."""

    caller: Caller
    location: int
    model: int
    """0 to let AMPECO find out when the unit boots."""

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "AMPECO"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return identity, protocol, profile and outlets; there is no place for revision and certificate."""
        del revision
        return {
            "serial": record.serial,
            "identity": record.ocpp_identity,
            "protocol": PROTOCOLS[record.ocpp_version],
            "security_profile": record.security_profile,
            "outlets": [self._outlet(each) for each in record.connectors],
        }

    def find(self, wanted: Wanted) -> Body | None:
        """Return a charge point with its outlets."""
        point = self._point(wanted.serial)
        if point is None:
            return None
        mine = point.get("externalId") == wanted.serial
        return {
            "serial": point.get("externalId"),
            "identity": dig(point, "network", "id"),
            "protocol": dig(point, "network", "protocol"),
            "security_profile": dig(point, "security", "desiredProfile"),
            "outlets": [self._kept(point, evse) for evse in self._evses(point)],
            PASSWORD: SET if mine and wanted.password is not None else None,
        }

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add the charge point, then each EVSE and connector that is not there."""
        del found
        point = self._point(wanted.serial) or self._add(wanted)
        present = {whole(evse.get("networkId")): evse for evse in self._evses(point)}
        for outlet in wanted.shape["outlets"]:
            evse = present.get(outlet["evse"]) or self._add_evse(point, outlet)
            if not self._connectors(point, evse):
                connector = {"type": outlet["type"], "format": outlet["format"], "status": "enabled"}
                self.caller.send("POST", self._connectors_at(point, evse), connector)

    def remove(self, serial: str) -> None:
        """Delete a charge point with all that is its."""
        point = self._point(serial)
        if point is not None:
            self.caller.send("DELETE", self._at(point))

    def notes(self) -> tuple[str, ...]:
        """Say what the operator should know."""
        return (f"units wait at location {self.location}, disabled; passwords can't be read back",)

    def close(self) -> None:
        """Close the connection."""
        self.caller.http.close()

    def _outlet(self, connector: Connector) -> Body:
        return {
            "evse": connector.evse,
            "letter": connector.letter,
            "current": "ac" if connector.phases else "dc",
            "max_power_w": connector.max_power_w,
            "max_current_a": connector.max_current_a,
            "type": words(self.system, connector).ampeco,
            "format": "socket" if is_socket(connector) else "cable",
        }

    def _kept(self, point: dict[str, Any], evse: dict[str, Any]) -> Body:
        connectors = self._connectors(point, evse)
        current = dig(evse, "powerOptions", "maxAmperage")
        return {
            "evse": whole(evse.get("networkId")),
            "letter": evse.get("physicalReference"),
            "current": evse.get("currentType"),
            "max_power_w": dig(evse, "powerOptions", "maxPower"),
            "max_current_a": int(current) if isinstance(current, float) and current.is_integer() else current,
            "type": dig(connectors, 0, "type"),
            "format": dig(connectors, 0, "format"),
        }

    def _point(self, identity: str) -> dict[str, Any] | None:
        """Return the only charge point with an identity."""
        told = self.caller.get(POINTS, {"filter[networkId]": identity})
        found = [point for point in rows(dig(told, "data")) if dig(point, "network", "id") == identity]
        if not isinstance(dig(told, "data"), list) or len(found) > 1:
            raise self.caller.http.nonsense(f"{len(found)} charge points with one identity")
        return found[0] if found else None

    def _evses(self, point: dict[str, Any]) -> list[dict[str, Any]]:
        found = rows(dig(self.caller.get(f"{self._at(point)}/evses"), "data"))
        return sorted(found, key=lambda evse: whole(evse.get("networkId")) or 0)

    def _connectors(self, point: dict[str, Any], evse: dict[str, Any]) -> list[dict[str, Any]]:
        return rows(dig(self.caller.get(self._connectors_at(point, evse)), "data"))

    def _connectors_at(self, point: dict[str, Any], evse: dict[str, Any]) -> str:
        return f"{self._at(point)}/evses/{self.caller.number(evse)}/connectors"

    def _at(self, point: dict[str, Any]) -> str:
        return f"{POINTS}/{self.caller.number(point)}"

    def _add(self, wanted: Wanted) -> dict[str, Any]:
        shape = wanted.shape
        network = {"id": shape["identity"], "protocol": shape["protocol"]}
        if wanted.password is not None:
            network["password"] = wanted.password().reveal()
        body: Body = {
            "name": wanted.serial,
            "type": "private",
            "status": NOT_YET,
            "externalId": wanted.serial,
            "locationId": self.location,
            "communicationMode": "direct_ocpp",
            "network": network,
            "security": {"desiredProfile": shape["security_profile"]},
        }
        return self._made(self.caller.send("POST", POINTS, body | ({"modelId": self.model} if self.model else {})))

    def _add_evse(self, point: dict[str, Any], outlet: Body) -> dict[str, Any]:
        body = {
            "physicalReference": outlet["letter"],
            "currentType": outlet["current"],
            "networkId": str(outlet["evse"]),
            "status": "enabled",
            "powerOptions": {"maxPower": outlet["max_power_w"], "maxAmperage": outlet["max_current_a"]},
        }
        return self._made(self.caller.send("POST", f"{self._at(point)}/evses", body))

    def _made(self, told: Any) -> dict[str, Any]:
        made = dig(told, "data")
        self.caller.number(made)
        return dict(made)


def open_ampeco(opening: Opening) -> Registrar:
    """Open an AMPECO.

    Raises:
        ConfigError: An option is missing or wrong.
        ServiceError: The station's certificate can't be had.
    """
    options = opening.options("location", "model")
    location = options.number("location", "the number of the location where units wait")
    model = options.number("model", "") if options.text("model") else 0
    http = opening.http()
    return Registrar(http.name, Ampeco(Caller(http), location, model), opening.limits)

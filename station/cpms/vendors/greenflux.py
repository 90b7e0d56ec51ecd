"""GreenFlux' Charge Station Management API: a station in stock, with its EVSEs as OCPI has them.

Written from its published guide, which names the fields that must be there and not how each is spelled: what it leaves
open is spelled as in OCPI. Untested against a live system. A station can't be deleted; one that was withdrawn is
`deprecated`, and comes back from there. There is no place for passwords, certificates and revisions.

URI: `greenflux+https://host[:port]?location=ID[&tariff=CODE][&path=/prefix][&ca=FILE]`.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from station.cpms.contract import Body, Limits, Rejected
from station.cpms.payload import UNASSIGNED
from station.cpms.vendors.caller import Caller, Opening, dig, fitting, rows
from station.cpms.vendors.outlets import is_socket, power_type, words
from station.cpms.vendors.registrar import Registrar, Wanted
from station.model import Connector, UnitRecord

LIMITS = Limits(4, 10.0)
STOCK, PRODUCTION, DEPRECATED = "stock", "production", "deprecated"
POWER = ("DC", "AC_1_PHASE", "AC_2_PHASE", "AC_3_PHASE")
ID_WIDTH = 36


@dataclass(frozen=True)
class GreenFlux:
    """One location of an operator."""

    caller: Caller
    location: str
    tariff: str
    prefix: str

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "GreenFlux"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return the identity and the outlets; whether it is in stock or in production is the operator's."""
        del revision
        fitting(self.system, "the id of an EVSE", f"{record.serial}-{len(record.connectors)}", ID_WIDTH)
        return {"identity": record.ocpp_identity, "outlets": [self._outlet(record, each) for each in record.connectors]}

    def find(self, wanted: Wanted) -> Body | None:
        """Return a station that is in stock or in production."""
        station = self._station(wanted.serial)
        if station is None or station.get("deployment_state") == DEPRECATED:
            return None
        return _told(station)

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Create the station, or bring ours back that was withdrawn; it is one request, so a part is never ours."""
        del found
        station = self._station(wanted.serial)
        if station is None:
            self._add(wanted)
        elif self._is_withdrawn(station, wanted):
            self.caller.send("PATCH", self._path(wanted.serial), {"deployment_state": STOCK})
        else:
            message = f"GreenFlux has {wanted.serial} from elsewhere, and what is there is not changed."
            raise Rejected(message, hint="Ask the CPMS team whose station it is, and to rename it if it is not ours.")

    def remove(self, serial: str) -> None:
        """Say that a station is no longer used."""
        self.caller.send("PATCH", self._path(serial), {"deployment_state": DEPRECATED})

    def notes(self) -> tuple[str, ...]:
        """Say what the operator should know."""
        return (f"units wait in stock at location {self.location}, tariff {self.tariff}; it takes no passwords",)

    def close(self) -> None:
        """Close the connection."""
        self.caller.http.close()

    def _is_withdrawn(self, station: dict[str, Any], wanted: Wanted) -> bool:
        """Tell whether a station is ours, from before it was withdrawn: at our location, with the outlets of the unit.

        Another's may be deprecated too, and its outlets are not ours to replace.
        """
        where = station.get("deployment_state"), station.get("location_id")
        return where == (DEPRECATED, self.location) and _told(station) == wanted.shape

    def _add(self, wanted: Wanted) -> None:
        evses = [
            {
                "uid": outlet["uid"],
                "physical_reference": outlet["letter"],
                "connectors": [{name: outlet[name] for name in outlet if name not in ("uid", "letter")} | {"id": "1"}],
            }
            for outlet in wanted.shape["outlets"]
        ]
        station = {"id": wanted.serial, "location_id": self.location, "default_tariff_code": self.tariff}
        self.caller.send("POST", self._path(), station | {"deployment_state": STOCK, "evses": evses})

    def _outlet(self, record: UnitRecord, connector: Connector) -> Body:
        return {
            "uid": f"{record.serial}-{connector.evse}",
            "letter": connector.letter,
            "standard": words(self.system, connector).ocpi,
            "format": "SOCKET" if is_socket(connector) else "CABLE",
            "power_type": power_type(connector, POWER),
            "max_amperage": connector.max_current_a,
            "max_electric_power": connector.max_power_w,
        }

    def _station(self, serial: str) -> dict[str, Any] | None:
        told = self.caller.get(self._path(serial))
        found = dig(told, "data") if dig(told, "data") is not None else told
        if found is not None and dig(found, "id") != serial:
            raise self.caller.http.nonsense("the record of another station")
        return found if isinstance(found, dict) else None

    def _path(self, serial: str = "") -> str:
        return f"{self.prefix}/chargestations" + (f"/{quote(serial, safe='')}" if serial else "")


def open_greenflux(opening: Opening) -> Registrar:
    """Open a GreenFlux.

    Raises:
        ConfigError: An option is missing or wrong.
        ServiceError: The station's certificate can't be had.
    """
    options = opening.options("location", "tariff", "path")
    location = options.needed("location", "the id of the location where units wait")
    http = opening.http(lambda token: {"Authorization": f"Token {token}"})
    desk = GreenFlux(Caller(http), location, options.text("tariff", UNASSIGNED), options.text("path").rstrip("/"))
    return Registrar(http.name, desk, opening.limits, by_password=False)


def _told(station: dict[str, Any]) -> Body:
    return {
        "identity": station.get("id"),
        "outlets": [
            {"uid": evse.get("uid"), "letter": evse.get("physical_reference")} | _kept(dig(evse, "connectors", 0))
            for evse in rows(station.get("evses"))
        ],
    }


def _kept(connector: Any) -> Body:
    names = ("standard", "format", "power_type", "max_amperage", "max_electric_power")
    return {name: dig(connector, name) for name in names}

"""CitrineOS: stations, EVSEs and connectors by GraphQL (Hasura); boot status and password by its data API.

Written from the source of 1.8.3 and the operator page of 2.0.0-beta1; untested against a live system. Version 2 moves
the identity from `id` to `ocppConnectionName`, so the adapter asks which it is before it asks anything else; that its
data API stayed as it was is taken for granted. That answers 500 beyond two passwords at a time, and by `setOnCharger:
true` it understands that the charger has the password already.
Certificates of chargers have no place: `uploadExistingCertificate` takes roots and V2G chains only, and which roots a
unit has, CitrineOS asks the unit itself.

URI: `citrineos+https://host[:port]?graphql=host:port[&tenant=1][&auth=admin-secret][&boot=Pending][&ca=FILE]`.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pki.passwords import Password
from station.cpms.contract import Body, Limits
from station.cpms.registry import Occupied
from station.cpms.vendors.caller import Caller, Opening, dig, fitting, rows
from station.cpms.vendors.outlets import is_socket, power_type, words
from station.cpms.vendors.registrar import PASSWORD, SET, Registrar, Wanted
from station.errors import ConfigError, ServiceError
from station.http import bearer
from station.model import Connector, UnitRecord

LIMITS = Limits(2)
"""More than two passwords at a time and its pool of database connections is empty: 500 (facts, tried)."""
GRAPHQL, BOOT, DATA = "/v1/graphql", "/data/configuration/boot", "/data/configuration/password"
STRANGERS = ("access-denied", "invalid-headers", "invalid-jwt")
POWER = ("DC", "AC1Phase", "AC2Phase", "AC3Phase")
COLUMNS = {
    "serial": ("chargePointSerialNumber", 25),
    "vendor": ("chargePointVendor", 20),
    "model": ("chargePointModel", 20),
    "firmware": ("firmwareVersion", 50),
    "iccid": ("iccid", 20),
    "imsi": ("imsi", 20),
    "meter_type": ("meterType", 25),
    "meter_serial": ("meterSerialNumber", 25),
}
"""Our name of a column, its name, and its width."""
IDENTITY_WIDTH = 36
WHICH = "query { ChargingStations(limit: 1) { ocppConnectionName } }"
FIND = """query Find($name: String!, $tenant: Int!) {
  ChargingStations(where: {%s: {_eq: $name}, tenantId: {_eq: $tenant}}) {
    id chargePointSerialNumber chargePointVendor chargePointModel firmwareVersion iccid imsi meterType meterSerialNumber
    Evses(order_by: {evseTypeId: asc}) {
      id evseTypeId physicalReference
      Connectors(order_by: {evseTypeConnectorId: asc}) {
        connectorId evseTypeConnectorId type format powerType maximumAmperage maximumPowerWatts
      }
    }
    VariableAttributes(where: {Variable: {name: {_eq: "BasicAuthPassword"}}}) { type }
  }
}"""
ADD_STATION = """mutation Add($object: ChargingStations_insert_input!) {
  insert_ChargingStations_one(object: $object) { id }
}"""
ADD_EVSE = """mutation Add($object: Evses_insert_input!) { insert_Evses_one(object: $object) { id } }"""
REMOVE = """mutation Remove($id: %s!) {
  delete_Connectors(where: {stationId: {_eq: $id}}) { affected_rows }
  delete_Evses(where: {stationId: {_eq: $id}}) { affected_rows }
  delete_VariableAttributes(where: {stationId: {_eq: $id}}) { affected_rows }
  delete_ChargingStations(where: {id: {_eq: $id}}) { affected_rows }
}"""


@dataclass
class CitrineOs:
    """One tenant of a CitrineOS."""

    data: Caller
    graphql: Caller
    tenant: int
    boot: str
    """What the first BootNotification is answered with: `Accepted` or `Pending`."""
    _version: int = field(default=0, repr=False)

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "CitrineOS"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return the columns, outlets and boot status of a unit; there is no place for revision and certificate."""
        del revision
        fitting(self.system, "the OCPP identity", record.ocpp_identity, IDENTITY_WIDTH)
        numbers = {number.kind: number.value for number in record.identifiers}
        meter = record.meters[0] if record.meters else None
        values = {
            "serial": record.serial,
            "vendor": record.vendor,
            "model": record.model,
            "firmware": record.firmware,
            "iccid": numbers.get("iccid", ""),
            "imsi": numbers.get("imsi", ""),
            "meter_type": meter.type if meter else "",
            "meter_serial": meter.serial if meter else "",
        }
        fitted = {name: fitting(self.system, name, value, COLUMNS[name][1]) for name, value in values.items() if value}
        return fitted | {"boot": self.boot, "outlets": [self._outlet(each) for each in record.connectors]}

    def find(self, wanted: Wanted) -> Body | None:
        """Return a station with its outlets, boot status and whether it has a password."""
        station = self._station(wanted.serial)
        if station is None:
            return None
        outlets = [
            {
                "letter": evse.get("physicalReference"),
                "evse": evse.get("evseTypeId"),
                "connector": connector.get("evseTypeConnectorId"),
                "id": connector.get("connectorId"),
                "type": connector.get("type"),
                "format": connector.get("format"),
                "power_type": connector.get("powerType"),
                "max_current_a": connector.get("maximumAmperage"),
                "max_power_w": connector.get("maximumPowerWatts"),
            }
            for evse in rows(station.get("Evses"))
            for connector in rows(evse.get("Connectors"))
        ]
        columns = {name: station.get(column) for name, (column, _) in COLUMNS.items()}
        password = SET if rows(station.get("VariableAttributes")) else None
        return columns | {"outlets": outlets, "boot": self._boot_of(wanted.serial), PASSWORD: password}

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add the station, its EVSEs, boot status and password: each where there is none."""
        station = self._station(wanted.serial)
        key = dig(station, "id") if station else self._add_station(wanted)
        present = [evse.get("evseTypeId") for evse in rows(dig(station, "Evses"))]
        for outlet in wanted.shape["outlets"]:
            if outlet["evse"] not in present:
                self._add_evse(key, wanted.serial, outlet)
        if not (found and found["boot"]):
            self.data.put(f"{BOOT}?stationId={wanted.serial}&tenantId={self.tenant}", {"status": self.boot})
        if wanted.password is not None and not (found and found[PASSWORD]):
            self._entrust(wanted.serial, wanted.password())

    def remove(self, serial: str) -> None:
        """Take a station out with all that is hers."""
        station = self._station(serial)
        if station is not None:
            kind = "String" if self._major() == 1 else "Int"
            self._change(REMOVE % kind, {"id": station.get("id")})
        self.data.send("DELETE", f"{BOOT}?stationId={serial}&tenantId={self.tenant}")

    def notes(self) -> tuple[str, ...]:
        """Ask anew which version it is."""
        self._version = 0
        return (f"version {self._major()} by its tables, tenant {self.tenant}",)

    def close(self) -> None:
        """Close both connections."""
        self.data.http.close()
        self.graphql.http.close()

    def _outlet(self, connector: Connector) -> Body:
        return {
            "letter": connector.letter,
            "evse": connector.evse,
            "connector": connector.connector,
            "id": connector.evse,
            "type": words(self.system, connector).citrineos,
            "format": "Socket" if is_socket(connector) else "Cable",
            "power_type": power_type(connector, POWER),
            "max_current_a": connector.max_current_a,
            "max_power_w": connector.max_power_w,
        }

    def _major(self) -> int:
        """Tell version 1 from 2 by the column that only one of them has."""
        if self._version == 0:
            told = self.graphql.ask(GRAPHQL, {"query": WHICH})
            if dig(told, "errors") and dig(told, "errors", 0, "extensions", "code") != "validation-failed":
                raise self._refused(told)
            self._version = 1 if dig(told, "errors") else 2
        return self._version

    def _station(self, serial: str) -> dict[str, Any] | None:
        column = "id" if self._major() == 1 else "ocppConnectionName"
        variables = {"name": serial, "tenant": self.tenant}
        told = self.graphql.ask(GRAPHQL, {"query": FIND % column, "variables": variables})
        if dig(told, "errors") or not isinstance(dig(told, "data", "ChargingStations"), list):
            raise self._refused(told)
        found = rows(dig(told, "data", "ChargingStations"))
        return found[0] if found else None

    def _add_station(self, wanted: Wanted) -> Any:
        row = {column: wanted.shape[name] for name, (column, _) in COLUMNS.items() if name in wanted.shape}
        name = "id" if self._major() == 1 else "ocppConnectionName"
        row |= {name: wanted.serial, "isOnline": False, **self._stamps()}
        told = self._change(ADD_STATION, {"object": row})
        return dig(told, "insert_ChargingStations_one", "id")

    def _add_evse(self, key: Any, serial: str, outlet: Body) -> None:
        names = {"ocppConnectionName": serial} if self._major() != 1 else {}
        connector = {
            "stationId": key,
            "connectorId": outlet["id"],
            "evseTypeConnectorId": outlet["connector"],
            "type": outlet["type"],
            "format": outlet["format"],
            "powerType": outlet["power_type"],
            "maximumAmperage": outlet["max_current_a"],
            "maximumPowerWatts": outlet["max_power_w"],
            "timestamp": _now(),
        }
        row = {"stationId": key, "evseTypeId": outlet["evse"], "physicalReference": outlet["letter"]}
        row |= {"Connectors": {"data": [connector | names | self._stamps()]}}
        self._change(ADD_EVSE, {"object": row | names | self._stamps()})

    def _entrust(self, serial: str, password: Password) -> None:
        """Write the password that the charger has already; success is in the body, whatever the status says."""
        body = {"stationId": serial, "password": password.reveal(), "setOnCharger": True}
        told = self.data.ask(f"{DATA}?tenantId={self.tenant}", body)
        if dig(told, "success") is not True:
            raise self.data.rejected(f"did not take the password of {serial}")

    def _boot_of(self, serial: str) -> Any:
        params = {"stationId": serial, "tenantId": str(self.tenant)}
        answer = self.data.must(self.data.http.request("GET", BOOT, params=params), 200, 404)
        # Nothing configured is an empty answer there, not a 404.
        return dig(self.data.value(answer), "status") if answer.status == 200 and answer.content else None

    def _change(self, mutation: str, variables: Body) -> Any:
        told = self.graphql.send("POST", GRAPHQL, {"query": mutation, "variables": variables})
        if str(dig(told, "errors", 0, "message")).startswith("Uniqueness violation"):
            raise Occupied
        if dig(told, "errors") or not isinstance(dig(told, "data"), dict):
            raise self._refused(told)
        return told["data"]

    def _refused(self, told: Any) -> ServiceError:
        """Return the error for what GraphQL refuses, with a status of 200 as always."""
        code = dig(told, "errors", 0, "extensions", "code")
        if code in STRANGERS:
            return self.graphql.http.trouble("refuses the access token", "Renew the token of the CPMS.")
        if code is None:
            return self.graphql.http.nonsense("not that of a GraphQL interface")
        return self.graphql.rejected(f"refuses the query: {json.dumps(code)[:60]}")

    def _stamps(self) -> Body:
        """Return the columns that must not be empty and have no value of their own."""
        return {"tenantId": self.tenant, "createdAt": _now(), "updatedAt": _now()}


def open_citrineos(opening: Opening) -> Registrar:
    """Open a CitrineOS.

    Raises:
        ConfigError: An option is missing or wrong.
        ServiceError: The station's certificate can't be had.
    """
    options = opening.options("graphql", "tenant", "auth", "boot")
    netloc = options.needed("graphql", "where its Hasura listens, such as graphql=host:8090")
    auth, boot = options.text("auth", "bearer"), options.text("boot", "Accepted")
    if auth not in ("bearer", "admin-secret") or boot not in ("Accepted", "Pending"):
        raise ConfigError("environment.cpms: auth= is bearer or admin-secret, boot= is Accepted or Pending")
    tenant = options.number("tenant", "") if options.text("tenant") else 1
    secret = opening.http(
        (lambda token: {"x-hasura-admin-secret": token}) if auth == "admin-secret" else bearer, netloc=netloc
    )
    # A data API beside an open Hasura is reached locally (`localByPass`): the admin secret is none of its business.
    data = opening.http((lambda _: {}) if auth == "admin-secret" else bearer)
    return Registrar(data.name, CitrineOs(Caller(data), Caller(secret), tenant, boot), opening.limits)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

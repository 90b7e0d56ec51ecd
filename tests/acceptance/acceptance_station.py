"""A tiny OCPP station over `websockets`, made to misbehave: every reaction is a field or a method to replace."""

import base64
import contextlib
import datetime as dt
import json
import logging
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from acceptance_pki import Credential, hash_data, keep, make_request
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

V16, V201 = "ocpp1.6", "ocpp2.0.1"
QUIET = logging.getLogger("tests.acceptance.station")
QUIET.setLevel(logging.CRITICAL)  # what the server logs is under test, not what a client does
OWNER = {V16: "CpoName", V201: "SecurityCtrlr.OrganizationName", "ocpp2.1": "SecurityCtrlr.OrganizationName"}
PASSWORD_SETTINGS = ("AuthorizationKey", "SecurityCtrlr.BasicAuthPassword")


@dataclass
class Station:
    """One station: credentials and address, and what it is like."""

    port: int
    root: bytes
    credential: Credential | None
    serial: str = "AC22-000001"
    identity: str = "AC22-000001"
    version: str = V201
    path: str = "/ocpp"
    subprotocols: tuple[str, ...] | None = None
    authorization: str = ""
    model: str = "AC22"
    firmware: str = "1.4.0"
    connectors: int = 2
    clock_offset: float = 0.0
    silent_connectors: tuple[int, ...] = ()
    faulted_connectors: tuple[int, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)
    """Action -> answer payload, a callable (payload) -> answer, or None to give no answer."""
    noise: tuple[str, ...] = ()
    """Frames sent right after the first BootNotification was answered."""
    reset_style: str = "reconnect"
    """`reconnect`, `same socket`, `boot first`, or `no answer`."""
    not_triggered: tuple[str, ...] = ()
    """Messages that it does not send when it is asked to."""
    renewal_style: str = "at reset"
    """When a renewed certificate is used: `at reset`, `at once`, `late` (a command comes in between), or `never`.

    `takes anything` accepts every chain.
    """
    request_changes: dict[str, Any] = field(default_factory=dict)
    """What its certificate request says otherwise: `name`, `owner`, `key` (asked for), `signer`, or `pem`."""
    silent_at_boot: bool = False
    source: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    roots: list[dict[str, str]] = field(default_factory=list)
    room_for_roots: int = 8
    """Older roots give way to newer ones."""
    list_version: int = 3

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.refusals: list[int] = []
        self.replies: list[tuple[str, dict[str, Any]]] = []
        self.accepted = False
        self.asked: dict[str, str] = {}
        self.pending: Credential | None = None
        self.staged = False
        self.restarts = 0
        self.fresh = ec.generate_private_key(ec.SECP256R1())
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Station":
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self.thread.join(10)

    def until(self, seen: Callable[[], object]) -> None:
        """Wait for what its own thread does, of which a visit hears nothing."""
        end = time.monotonic() + 30
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.02)

    # Connection

    def open(self, **options: Any) -> ClientConnection:
        context = ssl.create_default_context(cadata=self.root.decode())
        if self.credential:
            context.load_cert_chain(self.credential.chain_file, self.credential.key_file)
        headers = {"Authorization": self.authorization} if self.authorization else {}
        offered = (self.version,) if self.subprotocols is None else self.subprotocols
        return connect(
            f"wss://localhost:{self.port}{self.path}/{self.identity}",
            ssl=context,
            sock=socket.create_connection(("127.0.0.1", self.port), 30, (self.source, 0) if self.source else None),
            subprotocols=list(offered) or None,
            additional_headers=headers,
            compression=None,
            close_timeout=1,
            logger=QUIET,
            max_size=None,
            **options,
        )

    def _run(self) -> None:
        while not self.stopping.wait(0.02):
            try:
                with self.open() as link:
                    self._serve(link)
            except InvalidHandshake as refused:
                self.refusals.append(refused.response.status_code if hasattr(refused, "response") else 0)
                self.stopping.wait(0.1)
            except (OSError, ConnectionClosed):
                self.stopping.wait(0.1)

    def _serve(self, link: ClientConnection) -> None:
        self.link = link
        if not self.silent_at_boot:
            self.boot()
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(json.loads(link.recv(timeout=0.1)))

    def _take(self, message: list[Any]) -> None:
        if message[0] != 2:
            self._answered(message)
            return
        _, unique_id, action, payload = message
        if action == "Reset" and action not in self.overrides:
            self._reset(unique_id)
            return
        answer = self.overrides[action] if action in self.overrides else getattr(self, f"on_{action.lower()}")(payload)
        answer = answer(payload) if callable(answer) else answer
        if isinstance(answer, str):
            self.link.send(json.dumps([4, unique_id, answer, "", {}]))
        elif answer is not None:
            self.link.send(json.dumps([3, unique_id, answer]))
        if action not in self.overrides:
            getattr(self, f"after_{action.lower()}", lambda payload: None)(payload)

    def _answered(self, message: list[Any]) -> None:
        action = self.asked.pop(message[1], "")
        self.replies.append((action, message[2] if message[0] == 3 else {"error": message[2]}))
        if action != "BootNotification":
            return
        was, self.accepted = self.accepted, message[2]["status"] == "Accepted"
        if self.accepted and not was:
            for connector in range(0 if self.version == V16 else 1, self.connectors + 1):
                self.status(connector)
        for frame in self.noise:
            self.link.send(frame)
        self.noise = ()

    def ask(self, action: str, payload: dict[str, Any]) -> None:
        unique_id = str(uuid.uuid4())
        self.asked[unique_id] = action
        self.link.send(json.dumps([2, unique_id, action, payload]))

    # What a station says

    def now(self) -> str:
        return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.clock_offset)).isoformat()

    def boot(self) -> None:
        if self.version == V16:
            own = {"chargePointVendor": "Example Chargers", "chargePointModel": self.model}
            own |= {"chargePointSerialNumber": self.serial, "firmwareVersion": self.firmware}
            self.ask("BootNotification", own)
            return
        own = {"vendorName": "Example Chargers", "model": self.model, "serialNumber": self.serial}
        own |= {"firmwareVersion": self.firmware}
        self.ask("BootNotification", {"reason": "PowerUp", "chargingStation": own})

    def status(self, connector: int, state: str = "Available") -> None:
        if connector in self.silent_connectors:
            return
        state = "Faulted" if connector in self.faulted_connectors else state
        if self.version == V16:
            error = "GroundFailure" if state == "Faulted" else "NoError"
            body = {"connectorId": connector, "errorCode": error, "status": state, "timestamp": self.now()}
        else:
            body = {"timestamp": self.now(), "connectorStatus": state, "evseId": connector, "connectorId": 1}
        self.ask("StatusNotification", body)

    # What it does when asked

    def on_getconfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:
        known = {"HeartbeatInterval": "60", **self.settings}
        asked = payload.get("key") or list(known)
        items = [{"key": key, "readonly": False, "value": known[key]} for key in asked if key in known]
        return {"configurationKey": items, "unknownKey": [key for key in asked if key not in known]}

    def on_changeconfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.settings[payload["key"]] = payload["value"]
        return {"status": "Accepted"}

    def on_getbasereport(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Accepted"}

    def after_getbasereport(self, payload: dict[str, Any]) -> None:
        known = {"OCPPCommCtrlr.HeartbeatInterval": "60", **self.settings}
        for index, (name, value) in enumerate(known.items()):
            component, variable = name.split(".")
            attribute = {"value": value} if name not in PASSWORD_SETTINGS else {"mutability": "WriteOnly"}
            item = {
                "component": {"name": component},
                "variable": {"name": variable},
                "variableAttribute": [attribute],
            }
            more = {"seqNo": index, "tbc": index + 1 < len(known), "generatedAt": self.now()}
            self.ask("NotifyReport", {"requestId": payload["requestId"], "reportData": [item], **more})

    def on_getvariables(self, payload: dict[str, Any]) -> dict[str, Any]:
        known = {"OCPPCommCtrlr.HeartbeatInterval": "60", **self.settings}
        item = payload["getVariableData"][0]
        value = known.get(f"{item['component']['name']}.{item['variable']['name']}")
        found = {"attributeStatus": "Accepted", "attributeValue": value} if value else {"attributeStatus": "Rejected"}
        return {"getVariableResult": [{**item, **found}]}

    def on_setvariables(self, payload: dict[str, Any]) -> dict[str, Any]:
        item = dict(payload["setVariableData"][0])
        self.settings[f"{item['component']['name']}.{item['variable']['name']}"] = item.pop("attributeValue")
        return {"setVariableResult": [{**item, "attributeStatus": "Accepted"}]}

    def on_triggermessage(self, payload: dict[str, Any]) -> dict[str, Any]:
        known = payload["requestedMessage"] not in self.not_triggered
        return {"status": "Accepted" if known else "NotImplemented"}

    def after_triggermessage(self, payload: dict[str, Any]) -> None:
        wanted = payload["requestedMessage"]
        if wanted == "BootNotification":
            self.boot()
        elif wanted in self.not_triggered:
            pass
        elif wanted == "SignChargingStationCertificate":
            kind = {"certificateType": "ChargingStationCertificate"}
            self.ask("SignCertificate", {"csr": self.request(), **kind})
        elif wanted == "StatusNotification":
            self.status(payload.get("connectorId") or payload["evse"]["id"])
        else:
            self.ask(wanted, {})

    def on_changeavailability(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Accepted"}

    def after_changeavailability(self, payload: dict[str, Any]) -> None:
        state = "Available" if payload.get("type", payload.get("operationalStatus")) == "Operative" else "Unavailable"
        connector = payload.get("connectorId") or payload.get("evse", {}).get("id", 0)
        for each in [connector] if connector else range(1, self.connectors + 1):
            self.status(each, state)

    def _reset(self, unique_id: str) -> None:
        if self.staged and self.renewal_style == "late":
            self.switch()
            self.link.close()
            return
        self.restarts += 1
        self.accepted = False
        self.switch()
        if self.reset_style == "boot first":
            self.boot()
        if self.reset_style != "no answer":
            self.link.send(json.dumps([3, unique_id, {"status": "Accepted"}]))
        if self.reset_style in {"reconnect", "no answer"}:
            self.link.close()
        elif self.reset_style == "same socket":
            self.boot()

    # Renewal of its certificate

    def on_extendedtriggermessage(self, payload: dict[str, Any]) -> dict[str, Any]:
        return self.on_triggermessage(payload)

    def after_extendedtriggermessage(self, payload: dict[str, Any]) -> None:
        if payload["requestedMessage"] not in self.not_triggered:
            self.ask("SignCertificate", {"csr": self.request()})

    def request(self) -> str:
        says = {"name": self.serial, "owner": self.settings.get(OWNER[self.version], ""), **self.request_changes}
        return says["pem"] if "pem" in says else make_request(says, self.fresh)

    def on_certificatesigned(self, payload: dict[str, Any]) -> dict[str, Any]:
        leaf = x509.load_pem_x509_certificates(payload["certificateChain"].encode())[0]
        self.staged = leaf.public_key() == self.fresh.public_key()
        if self.staged:
            self.pending = keep(leaf, self.fresh, self.credential.chain_file.parent)
        good = self.staged or self.renewal_style == "takes anything"
        return {"status": "Accepted" if good else "Rejected"}

    def after_certificatesigned(self, payload: dict[str, Any]) -> None:
        if self.staged and self.renewal_style == "at once":
            self.switch()
            self.link.close()

    def switch(self) -> None:
        if self.staged and self.renewal_style != "never":
            self.credential, self.staged = self.pending, False

    def on_clearcache(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Accepted"}

    def on_getlocallistversion(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"listVersion" if self.version == V16 else "versionNumber": self.list_version}

    def on_sendlocallist(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.list_version = 0
        return {"status": "Accepted"}

    def on_clearchargingprofile(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Unknown"}

    def on_gettransactionstatus(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"messagesInQueue": False}

    def on_getinstalledcertificateids(self, payload: dict[str, Any]) -> dict[str, Any]:
        if not self.roots:
            return {"status": "NotFound"}
        if self.version == V16:
            return {"status": "Accepted", "certificateHashData": self.roots}
        chain = [{"certificateType": "CSMSRootCertificate", "certificateHashData": root} for root in self.roots]
        return {"status": "Accepted", "certificateHashDataChain": chain}

    def on_installcertificate(self, payload: dict[str, Any]) -> dict[str, Any]:
        root = hash_data(x509.load_pem_x509_certificate(payload["certificate"].encode()))
        self.roots = [root, *(other for other in self.roots if other != root)][: self.room_for_roots]
        return {"status": "Accepted"}

    def on_deletecertificate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.roots = [root for root in self.roots if root != payload["certificateHashData"]]
        return {"status": "Accepted"}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

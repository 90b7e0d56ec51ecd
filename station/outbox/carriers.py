"""What is done with each kind of message, and where it goes.

Every act may be done again: it observes first, does what is missing, and reads back. So a message that was delivered
and not noted, because the plug was pulled between the two, is delivered again and changes nothing.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from station.bench import Services
from station.cpms import NONE, Cpms, Credentials
from station.cpms.contract import Rejected
from station.documents.brand import Brand, load_brand
from station.documents.passport import read_passport
from station.documents.passport_pdf import Edition, render_passport, sign_passport
from station.errors import ConfigError, Service, ServiceError, StationError
from station.lifecycle import say_scrapped
from station.model import UnitRecord
from station.outbox.files import write_whole
from station.outbox.lanes import Deliver, Effect, Route
from station.outbox.patience import NotYet, Unequal
from station.passwords import told
from station.quality.ending import Endings
from station.records import (
    ENDED,
    REVOKED,
    SCRAP_SAID,
    WITHDRAWN,
    OutboxRow,
    PassportRow,
    Records,
    RevokedCertificate,
    Withdrawal,
)
from station.run import REGISTER, RENDER_PASSPORT
from station.strict import parse

CPMS_KINDS = (REGISTER, REVOKED, WITHDRAWN)
LOOKS_FOR_PROOF = 6
"""How often a passport's PDF waits for a checkpoint of the log; the pauses double, and make a minute together."""
MOST_AT_ONCE = 8
"""Messages to one CPMS at the same time, where it takes as many: more threads of one process bring nothing."""
CpmsOf = Callable[[str], Cpms]
"""Return the CPMS of a work order's units."""
CredentialsOf = Callable[[str, str], Credentials]
"""Return what a unit logs in with, for the CPMS of a name; nothing secret is opened before an adapter asks for it."""
T = TypeVar("T")
Carriers = Callable[[OutboxRow], Route]
"""Tell where a message goes."""


def no_credentials(unit: str, cpms: str) -> Credentials:
    """Return nothing: units log in with their certificates alone, and the CPMS learns those by itself."""
    del unit, cpms
    return NONE


def read_body(cls: type[T], row: OutboxRow) -> T:
    """Return what a message says.

    Raises:
        Rejected: It can't be read; nobody can deliver it as it is.
    """
    try:
        return parse(cls, json.loads(row.body), f"message {row.ref}")
    except (ValueError, RecursionError, ConfigError) as error:
        raise Rejected(f"Message {row.ref} can't be read: {error}.", hint="Call engineering.") from error


class CpmsCarrier:
    """Takes messages to the CPMS of each unit's order."""

    def __init__(self, records: Records, cpms_of: CpmsOf, credentials_of: CredentialsOf = no_credentials) -> None:
        self._records, self._cpms_of, self._credentials_of = records, cpms_of, credentials_of
        self._acts: Mapping[str, Deliver] = {
            REGISTER: self._register,
            REVOKED: self._tell_revoked,
            WITHDRAWN: self._withdraw,
        }

    def __call__(self, row: OutboxRow) -> Route:
        """Return the way to the CPMS of the message's unit; one that can't be opened is away by its order's name."""
        try:
            cpms = self._cpms_of(row.work_order)
        except StationError:
            return Route(f"the CPMS of order {row.work_order}", CPMS_KINDS, 1, self._deliver, of_order=True)
        return Route(cpms.name, CPMS_KINDS, min(cpms.limits.at_once, MOST_AT_ONCE), self._deliver, of_order=True)

    def _deliver(self, row: OutboxRow) -> Effect:
        return self._acts[row.kind](row)

    def _register(self, row: OutboxRow) -> Effect:
        """Register the unit, read the record back and compare; only then may the unit be packed (F-G2, F-G3)."""
        if not self._records.is_current(row.unit, row.revision):
            return Effect(b"not registered: scrapped or in rework since", reached=False)
        record = read_body(UnitRecord, row)
        cpms = self._cpms_of(row.work_order)
        registration = cpms.register(record, row.revision, self._credentials_of(row.unit, cpms.name))
        try:
            registration.demand_equal()
        except ServiceError as error:
            self._records.registered(row.unit, registration)
            raise Unequal(Service.CPMS, error.message, hint=error.hint, stops_line=False) from error
        return Effect(registration.state.value.encode(), registration)

    def _tell_revoked(self, row: OutboxRow) -> Effect:
        """Tell the CPMS that a certificate was revoked, and read back that it knows."""
        notice = read_body(RevokedCertificate, row)
        return Effect(b"told" if self._cpms_of(row.work_order).revoke(notice) else b"known")

    def _withdraw(self, row: OutboxRow) -> Effect:
        """Take the unit's record back from the CPMS, if it is the one that was sent, and read back that it is gone."""
        notice = read_body(Withdrawal, row)
        told = self._records.sent_registration(REGISTER, notice.serial, notice.revision)
        sent = None if told is None else read_body(UnitRecord, told)
        return Effect(b"withdrawn" if self._cpms_of(row.work_order).withdraw(notice, sent) else b"known")


class PassportPrinter:
    """Writes passports as signed PDFs beside their signed JSON."""

    def __init__(self, services: Services, folder: Path, products: Path | None) -> None:
        self._services, self._folder, self._products = services, folder, products

    def render(self, row: OutboxRow) -> Effect:
        """Write the PDF; the answer names the file and its SHA-256.

        It bears the proof that the log has the passport, and waits for one for a while: a checkpoint follows each
        release. Where nobody signs the log, there is none to wait for.

        Raises:
            NotYet: There is no proof of the log yet.
            ServiceError: The disk or the HSM is away.
        """
        passport = self._services.records.passport(row.unit)
        if passport is None:
            raise ServiceError(Service.DATABASE, f"There is no passport of {row.unit}.")
        edition = Edition("", self._brand(read_passport(passport.document)["unit"]["product"]))
        proof = self._proof(row, passport)
        pdf = self._signed(render_passport(passport.document, passport.signature, passport.signer, edition, proof))
        target = self._folder / f"{row.key}.pdf"
        try:
            write_whole(target, pdf)
        except OSError as error:
            message = f"The passport of {row.unit} can't be written: {error.strerror or error}."
            raise ServiceError(Service.DATABASE, message, hint="Free space on the station's disk.") from error
        return Effect(f"{target.name} {sha256(pdf).hexdigest()}".encode())

    def _proof(self, row: OutboxRow, passport: PassportRow) -> bytes:
        records = self._services.records
        proof = records.document_proof(passport.sha256)
        if proof is None and row.attempts < LOOKS_FOR_PROOF and records.last_checkpoint() is not None:
            message = f"The passport of {row.unit} waits for its place in the log."
            raise NotYet(
                Service.DATABASE, message, hint="It is written as soon as the log is signed.", stops_line=False
            )
        return proof or b""

    def _brand(self, product: str) -> Brand:
        return load_brand(self._products / product) if self._products else Brand()

    def _signed(self, pdf: bytes) -> bytes:
        factory = self._services.factory
        with told():
            return sign_passport(pdf, factory.record_certificate, factory.sign)


def carriers(services: Services, cpms_of: CpmsOf, passports: Path, products: Path | None) -> Carriers:
    """Return where each message goes: to its CPMS, to the PKI, or onto the station's disk."""
    printer, endings = PassportPrinter(services, passports, products), Endings(services)

    def say(row: OutboxRow) -> Effect:
        return Effect(say_scrapped(services.records, services.factory, row))

    to_cpms = CpmsCarrier(services.records, cpms_of, services.credentials)
    others = {
        RENDER_PASSPORT: Route("passports", (RENDER_PASSPORT,), 1, printer.render),
        ENDED: Route("PKI", (ENDED,), 1, lambda row: Effect(endings.end(row))),
        SCRAP_SAID: Route("the records' key", (SCRAP_SAID,), 1, say),
    }

    def route(row: OutboxRow) -> Route:
        return others[row.kind] if row.kind in others else to_cpms(row)

    return route

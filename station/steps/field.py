"""A unit that was in the field, compared with its passport; nothing is written to it (F-M4, F-B7).

What an owner may do to a charger is listed and held against nobody: other settings, newer firmware, a key of the
operator's own, another SIM. What says that it is not the unit that left, or not sound, is grave.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pki.errors import RequestRefused
from pki.proof import Proof as KeyProof
from station.bench import Bench
from station.catalog.firmware_manifest import ordered
from station.clock import Deadline
from station.drivers import Challenges, ability
from station.errors import UnitError
from station.identifiers import Kind, parse
from station.model import Environment
from station.steps.slots import released_form

CARDS = frozenset({Kind.ICCID, Kind.IMSI, Kind.EID})
"""Numbers of a SIM, which belongs to whoever pays for it."""
LONGEST_SHOWN, DIGITS = 80, 16
NOTHING = "nothing"
COMPARED = "field-compared"
"""Kind of the event that says what was found; its subject is the unit."""
Passport = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise than the passport says."""

    what: str
    was: str
    now: str
    grave: bool = False
    """Whether it speaks against the unit; all else is its owner's business."""
    key: str = ""
    """Device setting that shows it; empty for what is no setting."""

    @property
    def sentence(self) -> str:
        """Say it."""
        return f"Its {self.what} is '{self.now}' and was '{self.was}'."


def differences(bench: Bench, passport: Passport, nonce: bytes, deadline: Deadline) -> tuple[Difference, ...]:
    """Return what is otherwise than when the unit left, what is grave first.

    Args:
        bench: The unit.
        passport: Its newest one.
        nonce: 32 random bytes, for the device to sign.
        deadline: For all of it.

    Raises:
        LinkError: Contact was lost.
        ServiceError: The records are away.
    """
    bench.identity = bench.charger.identify(deadline)
    found = [
        *_identity(bench, passport),
        *_firmware(bench, passport),
        *_key(bench, passport, nonce, deadline),
        *_parts(bench, deadline),
        *_settings(bench, passport, deadline),
    ]
    return tuple(sorted(found, key=lambda one: not one.grave))


def owners_settings(body: bytes) -> dict[str, str]:
    """Return what a unit was set to in the field, by the device's keys, from the event that says what was found."""
    found = json.loads(body).get("found", ())
    return {one["key"]: one["now"] for one in found if one["key"] and one["now"] != NOTHING}


def _identity(bench: Bench, passport: Passport) -> Iterator[Difference]:
    unit, found = passport["unit"], bench.identity
    said = {"model": (unit["model"], found.model)}
    if found.hardware:
        said["hardware"] = (unit["hardware"], found.hardware)
    if bench.recipe.product.abilities.serial:
        said["serial number"] = (unit["serial"], found.serial)
    said["lock"] = ("locked", "locked" if found.locked else "open")
    for what, (was, now) in said.items():
        if now != was:
            yield Difference(what, was, shown(now), grave=True)


def _firmware(bench: Bench, passport: Passport) -> Iterator[Difference]:
    was, now = passport["firmware"]["version"], released_form(bench.identity.firmware)
    if now and ordered(now) != ordered(was):
        yield Difference("firmware", was, shown(now), grave=ordered(now) < ordered(was))


def _key(bench: Bench, passport: Passport, nonce: bytes, deadline: Deadline) -> Iterator[Difference]:
    """Let the device sign with its key: by its digest the one it left with, also where its certificate has ended."""
    if not bench.recipe.product.abilities.receipts:
        return
    was = passport["certificate"].get("spki_sha256", "")
    try:
        said = ability(bench.charger, Challenges).challenge(bench.key_slot(Environment.SHIP), nonce, deadline)
        proof = KeyProof("challenge", bench.identity.uid, nonce, said.spki, said.signature)
        proof.check(bench.unit.serial, 0, said.spki)
    except (UnitError, RequestRefused):
        yield Difference("key", was[:DIGITS], "not proven", grave=True)
        return
    now = sha256(said.spki).hexdigest()
    if was and now != was:
        yield Difference("key", was[:DIGITS], now[:DIGITS])


def _parts(bench: Bench, deadline: Deadline) -> Iterator[Difference]:
    """Compare the numbers that the device shows of its modules and meters with those in the record."""
    product, rows = bench.recipe.product, bench.services.records.identifiers(bench.unit.serial)
    shows = {(kind, key): key for kind, key in product.identifiers.read.each}
    if product.metering.serial:
        outlets = (outlet for outlet in product.connector if outlet.meter)
        shows |= {(Kind.METER, f"meter {one.evse}"): product.metering.keys_of(one.evse)["serial"] for one in outlets}
    found = bench.charger.read_settings(tuple(shows.values()), deadline) if shows else {}
    known = {(row.kind, row.source): row for row in rows}
    for place, key in shows.items():
        row, text = known.get(place), shown(found.get(key) or b"")
        if row is not None and _value(row.kind, text) != row.value:
            yield Difference(f"{row.kind.value} number", row.written, text or NOTHING, grave=row.kind not in CARDS)


def _value(kind: Kind, text: str) -> str:
    try:
        return parse(kind, text, strict=False).value
    except ValueError:
        return ""


def _settings(bench: Bench, passport: Passport, deadline: Deadline) -> Iterator[Difference]:
    """Compare the settings that can be read; of a recipe that was changed since, the endpoint alone."""
    told, configuration = passport["configuration"], bench.configuration(Environment.SHIP)
    names = {entry.key: entry.name for entry in configuration.entries if entry.key}
    wanted = configuration.readable
    if configuration.sha256 != told["sha256"]:
        wanted = {bench.recipe.product.configuration["ocpp_url"].key: told["endpoint"].encode()}
    found = bench.charger.read_settings(tuple(wanted), deadline)
    for key, was in wanted.items():
        now = found.get(key) or b""
        if now != was:
            yield Difference(names.get(key, key), shown(was) or NOTHING, shown(now) or NOTHING, key=key)


def shown(value: str | bytes) -> str:
    """Return what a device said, fit to be shown and kept."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_SHOWN])

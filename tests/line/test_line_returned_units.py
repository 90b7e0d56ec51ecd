"""One unit's whole life on a line with real parts, power cuts in it: what lives, and who knows what, at each station.

P21, F-M3 to F-M5, F-B7: built, shipped, commissioned, moved, sold, taken back, built again, shipped, decommissioned.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fixtures.charger.process import read_state
from fixtures.checker import Books
from fixtures.demo.world import World
from station.config import load_station
from station.records import ENDED, WITHDRAWN, HoldKind, LifecycleEvent, LifecycleKind, Records, open_records
from tests.station.cli_world import Operator, copied, eventually, run

pytestmark = pytest.mark.timeout(600)
NUMBER, SLOT = 1, "1"
URL, LIMIT = "charger/ocpp/url", "charger/power/max_current"
OWNERS = {URL: b"wss://csms.owner.example/ocpp", LIMIT: b"16"}
ACTS = ["verify", "take-back", "reprint", "decommission"]
LONG = 180.0


@dataclass(frozen=True)
class Standing:
    """Where the unit stands, by everybody's own books."""

    state: str
    keys: tuple[str, ...]
    """Of its ship keys in their order: `lives`, or why its certificate was revoked."""
    cpms: tuple[str, ...]
    """Serials that the CPMS has now for its identity."""
    registered: int
    """Chargers that the CPMS ever had for its identity."""


class Life:
    """A line, and the one unit that goes through all of it."""

    def __init__(self, world: World, records: Records) -> None:
        self.world, self.records, self.serial = world, records, world.place.serial(NUMBER)
        self.hands, self.books = Operator(world), Books(world.place.directory)
        self.where, self.orders = world.place.station, world.place.directory / "orders"

    def noted(self, kind: LifecycleKind, **facts: str) -> None:
        """Have the records alone know what happened to the unit: no passport is made of it."""
        self.records.happened(LifecycleEvent(kind, self.serial, "lead-1", None, **facts))

    def report(self, *words: str) -> None:
        """Report what happened to the unit in the field, as an office does: with a passport that says it."""
        done = run("station", "lifecycle", words[0], self.serial, *words[1:], "--dir", self.where, timeout=LONG)
        assert done.code == 0, done.err

    def stands(self) -> Standing:
        """Return what the records, the ledger and the CPMS say now."""
        keys = self.books.ledger(
            "SELECT coalesce((SELECT reason FROM revocations WHERE revocations.serial = claims.serial), 'lives') "
            "FROM keys JOIN claims ON claims.key_id = keys.id WHERE unit = ? AND environment = 'ship' ORDER BY version",
            self.serial,
        )
        place = self.world.place
        ever = Books._ask(
            place.cpms / "cpms.sqlite",
            "SELECT count(DISTINCT serial) FROM registration WHERE ocpp_identity = ?",
            (self.serial,),
        )
        state = self.books.station("SELECT state FROM unit WHERE serial = ?", self.serial)[0][0]
        return Standing(state, tuple(key[0] for key in keys), self.at_cpms(), ever[0][0])

    def at_cpms(self) -> tuple[str, ...]:
        """Return the serials that the CPMS answers for the unit's identity."""
        token = (self.world.place.station / "secrets" / "cpms-token").read_text().strip()
        address = f"http://127.0.0.1:{self.world.addresses.cpms}/api/v1/chargers"
        asked = httpx.get(
            address, params={"ocpp_identity": self.serial}, headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        return tuple(asked.json()["serials"])

    def comes_to(self, state: str, keys: tuple[str, ...], *, at_cpms: bool) -> None:
        """Wait until all books say that the unit stands so; it is one charger for the CPMS, always."""
        wanted = Standing(state, keys, (self.serial,) if at_cpms else (), 1)
        eventually(self.stands, lambda found: found == wanted)

    def newest(self) -> tuple[int, str]:
        """Return the revision of the newest passport, and the last thing that it says of the unit's life."""
        passport = self.records.passport(self.serial)
        assert passport
        told = json.loads(passport.document).get("lifecycle", [])
        return passport.revision, told[-1]["event"] if told else ""

    @contextmanager
    def tampered(self) -> Iterator[dict[str, Any]]:
        """Yield the memory of the device, which is off, to be changed."""
        path = self.world.place.charger(NUMBER) / "nvm.json"
        device = json.loads(path.read_text())
        yield device
        path.write_text(json.dumps(device))

    def back(self) -> dict[str, Any]:
        """Plug the unit in, and return what its slot offers."""
        self.hands.plug(NUMBER, SLOT)
        return self.offered()

    def offered(self) -> dict[str, Any]:
        """Return what the slot offers, once it does."""
        return eventually(
            lambda: self.hands.slot(SLOT), lambda view: view.get("state") == "came back" and view["actions"], LONG
        )

    def choose(self, command: str, reason: str) -> None:
        """Choose by scans: what to do, and why."""
        for code in (f"SL-{SLOT}", command, reason):
            answer = self.hands.scan(code)
        assert answer["accepted"], answer["sentence"]

    def restarted(self) -> None:
        """Start the station again after its plug was pulled."""
        eventually(lambda: self.world.alive("station"), lambda alive: not alive)
        self.orders.unlink(missing_ok=True)
        self.world.kill("station")
        self.world.start_station()
        self.world.sign_in("lead-1")

    def audited(self) -> None:
        """Let the audit log speak: nothing was changed behind it."""
        ran = run("station", "audit", "verify", "--dir", self.where, timeout=LONG)
        assert ran.code == 0, ran.out + ran.err


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Yield a running line whose plug can be pulled after any commit."""
    place, addresses = copied(tmp_path_factory.mktemp("returned"))
    world = World(place, addresses)
    world.station_command = (sys.executable, "-m", "fixtures.saboteur", str(place.directory / "orders"))
    config = load_station(place.station)
    with world as running, open_records(config.database_url, config.station.id) as records:
        one = Life(running, records)
        yield one
        one.hands.away()


def test_life_in_the_field_is_told_and_ends_what_must_end(life: Life) -> None:
    """F-M3, F-M8: the key lives until the unit has another owner; the CPMS knows one charger, or none."""
    assert life.hands.released(NUMBER, SLOT) == life.serial
    life.hands.unplug(SLOT)
    life.comes_to("packable", ("lives",), at_cpms=True)
    assert life.newest() == (1, "")
    life.report("ship", "--party", "Example Operator", "--reference", "DN-1")
    assert life.newest() == (2, "shipped")
    life.noted(LifecycleKind.COMMISSIONED, place="Station Road 1")
    life.noted(LifecycleKind.MOVED, place="Harbour 2")
    life.comes_to("commissioned", ("lives",), at_cpms=True)
    life.report("owner", "--party", "Another Operator")
    life.comes_to("commissioned", ("affiliationChanged",), at_cpms=False)
    assert life.newest() == (3, "owner-changed")


def test_what_the_owner_changed_is_listed_and_held_against_nobody(life: Life) -> None:
    """F-M4, F-B7: recognised by itself; only what is safe is offered, to whom it is for."""
    with life.tampered() as device:
        device["settings"] |= {key: value.hex() for key, value in OWNERS.items()}
    view = life.back()
    assert view["sentence"].startswith("It was in service. Its ")
    assert all(value.decode() in view["sentence"] for value in OWNERS.values()), view["sentence"]
    assert view["actions"] == ACTS
    assert "may not take-back" in life.hands.scan("CMD-RETURN")["sentence"]
    assert life.records.holds() == ()


def test_taking_back_is_whole_or_did_not_happen(life: Life) -> None:
    """The plug is pulled right after a commit of it: state, event and messages are there together, and once."""
    life.world.sign_in("lead-1")
    life.choose("CMD-RETURN", "RC-CUSTOMER")
    life.hands.until(SLOT, "scan number")
    assert "has 3 to 40 characters" in life.hands.scan(life.serial)["sentence"]
    life.orders.write_text("1")
    with suppress(httpx.TransportError):  # it may be dead before it answers
        life.hands.scan("RMA-2041")
    life.restarted()
    told = [row.reference for row in life.records.lifecycle(life.serial) if row.kind is LifecycleKind.RETURNED]
    state, _ = life.books.station("SELECT state, serial FROM unit WHERE serial = ?", life.serial)[0]
    assert (state, told) in [("returned", ["RMA-2041"]), ("commissioned", [])]
    if not told:
        life.offered()
        life.choose("CMD-RETURN", "RC-CUSTOMER")
        life.hands.until(SLOT, "scan number")
        assert life.hands.scan("RMA-2041")["accepted"]
    view = eventually(life.offered, lambda view: "rework" in view["actions"], LONG)
    assert view["actions"] == ["verify", "rework", "decommission"]
    sent = life.books.station(
        "SELECT kind, count(*) FROM outbox WHERE unit = ? AND kind IN (?, ?) GROUP BY kind ORDER BY kind",
        life.serial, WITHDRAWN, ENDED,
    )  # fmt: skip
    assert sent == [(WITHDRAWN, 1), (ENDED, 2)], "the owner's change ended the key and withdrew the record"
    life.comes_to("returned", ("affiliationChanged",), at_cpms=False)
    assert life.newest() == (4, "returned")
    life.audited()


def test_it_is_wiped_and_built_again_as_the_same_charger_with_another_key(life: Life) -> None:
    """F-M4, P01: nothing of its owner is left, read back; the CPMS has its record again, and not a second one."""
    life.choose("CMD-REWORK", "RC-REPAIR")
    eventually(lambda: life.hands.slot(SLOT).get("sentence"), lambda said: said and "made blank again" in said, LONG)
    life.world.kill("station")
    life.world.start_station()
    life.world.sign_in("lead-1")
    life.hands.until(SLOT, "scan label", "FAIL", "ERROR", timeout=LONG)
    life.hands.scan(f"SL-{SLOT}")
    assert life.hands.scan(f"SN:{life.serial}:2")["accepted"], "the label of its first life is void"
    assert life.hands.until(SLOT, "PASS", "FAIL", "ERROR")["state"] == "PASS"
    life.hands.unplug(SLOT)
    life.comes_to("packable", ("affiliationChanged", "lives"), at_cpms=True)
    (wiped,) = life.records.events(life.serial, "reimaged")
    proofs = {name: value for name, value in json.loads(wiped.body)["measured"] if name.endswith("of its owner")}
    assert set(proofs) >= {f"{key} of its owner" for key in OWNERS}
    assert not any(proofs.values())
    settings = read_state(life.world.place.charger(NUMBER)).settings
    assert not {settings[key] for key in OWNERS} & set(OWNERS.values())
    assert life.newest() == (5, "refurbished")


def test_its_second_life_ends_at_a_slot_and_it_is_refused_from_then_on(life: Life) -> None:
    """F-M9, F-M3: one that was opened is in quarantine, and ends all the same; nothing of it is left anywhere."""
    life.noted(LifecycleKind.SHIPPED, party="Third Operator")
    with life.tampered() as memory:
        memory["locked"] = False
    view = life.back()
    assert (view["sentence"], view["hint"]) == ("It was shipped. Its lock is 'open' and was 'locked'.", "Call quality.")
    assert [(hold.subject, hold.kind) for hold in life.records.holds()] == [(life.serial, HoldKind.QUARANTINE)]
    life.choose("CMD-DECOMMISSION", "RC-END")
    shown = life.hands.until(SLOT, "blocked", "FAIL", "ERROR", timeout=LONG)
    assert (shown["state"], shown["sentence"]) == ("blocked", f"Unit {life.serial} is decommissioned.")
    life.comes_to("decommissioned", ("affiliationChanged", "cessationOfOperation"), at_cpms=False)
    assert life.newest() == (6, "decommissioned")
    device = read_state(life.world.place.charger(NUMBER))
    assert (device.locked, device.serial, device.keys, device.settings) == (False, "", {}, {})
    life.hands.unplug(SLOT)
    life.hands.plug(NUMBER, SLOT)
    refused = life.hands.until(SLOT, "FAIL", "ERROR", "came back", timeout=LONG)
    assert "its serial number is never used again" in refused["sentence"]
    life.audited()

"""A new audit key, or a new name of the station: the same log goes on, and nobody else takes it over (F-K3)."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pki.log import open_note, sign_checkpoint
from station.audit.export import export_log
from station.audit.key import LogKey, origin_of
from station.audit.publisher import LogOffice
from station.audit.verify import LogVerdict, verify_log
from station.errors import ConfigError, ServiceError
from station.records import LogSigner
from tests.audit.conftest import STATION, SoftKey, World

ORIGIN = origin_of(STATION)
VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_log.py"


@pytest.fixture(scope="module")
def key2() -> SoftKey:
    """Return an audit key that follows the first."""
    return SoftKey()


def office(world: World, key: SoftKey, origin: str = ORIGIN) -> LogOffice:
    return replace(world.office, key=LogKey(origin, key.spki, key.sign))


def verified(world: World, key: SoftKey, *outside: str, origin: str = ORIGIN) -> LogVerdict:
    notes = [(name, (world.folder / name).read_bytes()) for name in outside]
    return verify_log(world.records, key.spki, origin, notes)


def test_a_new_key_signs_nothing_before_it_was_handed_over(world: World, key2: SoftKey) -> None:
    """The next step is told; once handed over, old checkpoints count, also those that were kept elsewhere."""
    world.release(4)
    with pytest.raises(ServiceError, match="not signed by this key") as told:
        office(world, key2).publish()
    assert "station audit hand-over" in told.value.hint
    checkpoint, problems = office(world, key2).hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "token replaced")
    verdict = verified(world, key2, "first", "second")
    assert (problems, verdict.deviations, verdict.checkpoints, verdict.unsigned) == ([], (), 5, 0)
    assert verdict.fits.checkpoint == checkpoint
    assert world.records.events(kind="log-handed-over")[0].who == "qa-1"


def test_the_old_certificate_alone_does_not_prove_what_came_after(world: World, key2: SoftKey) -> None:
    """Whoever has not got the new certificate yet sees that something is signed by another."""
    office(world, key2).hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "token replaced")
    verdict = verified(world, world.key, "second")
    assert ["is not signed by this key" in one.sentence for one in verdict.deviations] == [True]


def test_a_station_that_was_renamed_goes_on(world: World) -> None:
    """The same key in another name: first refused, then handed over; both names' checkpoints count."""
    renamed = office(world, world.key, origin_of("line9"))
    world.release(4)
    with pytest.raises(ServiceError, match="signed as charger-station/line1"):
        renamed.publish()
    renamed.hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "line moved")
    world.release(5)
    renamed.publish()
    assert verified(world, world.key, "second", origin=origin_of("line9")).good


def test_keys_follow_each_other(world: World, key2: SoftKey) -> None:
    """Twice handed over: the oldest checkpoint is believed by the newest key."""
    key3 = SoftKey()
    office(world, key2).hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "token replaced")
    world.release(4)
    office(world, key3).hand_over(LogSigner(ORIGIN, key2.spki), "qa-1", "token replaced")
    assert verified(world, key3, "first").deviations == ()


@pytest.mark.parametrize("before", ["another key", "another name", "itself"])
def test_only_who_signed_last_hands_over(world: World, key2: SoftKey, before: str) -> None:
    """Anything else is refused, and leaves no entry."""
    size = world.records.log_head().size
    signers = {
        "another key": LogSigner(ORIGIN, SoftKey().spki),
        "another name": LogSigner(origin_of("line2"), world.key.spki),
        "itself": LogSigner(ORIGIN, key2.spki),
    }
    with pytest.raises(ConfigError, match="did not sign this log last"):
        office(world, key2).hand_over(signers[before], "qa-1", "token replaced")
    assert world.records.log_head().size == size


def test_nobody_makes_their_own_key_the_one_of_before(world: World) -> None:
    """A thief's history, signed by the thief's key, with an entry that says it handed over to ours: not believed."""
    thief = SoftKey()
    world.cut("DELETE FROM log_checkpoint")
    (world.folder / "audit" / "checkpoint").unlink()
    office(world, thief).publish()
    world.records.hand_over_log(LogSigner(ORIGIN, thief.spki), LogSigner(ORIGIN, world.key.spki), "qa-1", "so it seems")
    verdict = verified(world, world.key)
    assert (verdict.good, verdict.fits) == (False, None)
    assert "hands nothing over" in verdict.deviations[0].sentence


def test_a_key_that_handed_over_signs_no_more(world: World, key2: SoftKey) -> None:
    """What it signs of the log behind that entry is not believed, though it fits."""
    office(world, key2).hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "token stolen")
    now = open_note((world.folder / "audit" / "checkpoint").read_bytes(), key2.spki)
    (world.folder / "late").write_bytes(sign_checkpoint(now, world.key.spki, world.key.sign))
    assert [one.subject for one in verified(world, key2, "late").deviations] == [f"checkpoint {now.size}"]


def test_an_outsider_brings_both_certificates(world: World, key2: SoftKey, tmp_path: Path) -> None:
    """The script believes a checkpoint of before by the certificate of before, and not without it."""
    office(world, key2).hand_over(LogSigner(ORIGIN, world.key.spki), "qa-1", "token replaced")
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    old.write_bytes(world.key.certificate)
    new.write_bytes(key2.certificate)
    export_log(world.records, tmp_path / "log", new, key2.spki)
    words = [sys.executable, "-I", VERIFIER, tmp_path / "log"]
    brought = ([new, world.folder / "first", old], [new, world.folder / "first"], [old, new])
    done = [subprocess.run(words + more, capture_output=True, check=False).returncode for more in brought]
    assert done == [0, 1, 1], "what the export itself shows must be signed by the key of now"

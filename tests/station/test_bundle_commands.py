"""`station bundle`: from a draft to what may be built, and back; everything that an approver and an auditor does."""

import json
import re
import shutil
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from click.testing import CliRunner

from fixtures.approval import APPROVER, AUTHOR, QUALITY, sign_bundle
from fixtures.demo.place import acting
from station.catalog.bundle import BundleOptions, load_bundle, make_bundle, parse_bundle, write_bundle
from station.catalog.recipes import load_recipe
from station.catalog.signatures import Role
from station.catalog.source import Folder
from station.cli import main
from station.clock import iso, utc_now
from station.config import load_station
from station.errors import ConfigError
from station.records import open_records
from station.releases import approved, assess, assess_all, draft, refuse_draft
from station.steps import STEPS
from tests.station.cli_world import Ran, alone, edit, next_bundle, run

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Return a station directory of the test's own, with an approved bundle and an order for it."""
    return alone(tmp_path)


def station(*command: str | Path) -> Ran:
    """Run a command in this process; those that must be seen from outside are run as processes of their own."""
    words = [str(word) for word in command]
    people = Path(words[words.index("--dir") + 1]).parent / "people"
    done = CliRunner().invoke(main, words, env=acting(people, "lead-1"))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


def bundle(line: Path, *command: str | Path) -> Ran:
    return station("bundle", *command, "--dir", line)


def key(line: Path, person: str) -> Path:
    return line.parent / "people" / person


def order(line: Path, name: str) -> Ran:
    return station("order", "create", "WO-2", "--dir", line, "--bundle", name, "--quantity", "1",
               "--prefix", "AC22-", "--first", "900")  # fmt: skip


def test_from_a_draft_to_an_order(line: Path) -> None:
    """F-A2: created, read, signed by its author, approved by another, ordered."""
    edit(line / "catalog/recipes/ac22-eu.toml", "limit_seconds = 900", "limit_seconds = 800")
    made = bundle(line, "create", "ac22-eu", "--author", AUTHOR)
    assert (made.code, "ac22-eu-r2" in made.out, "ssh-keygen -Y sign -n author@charger-station" in made.out) == (
        0,
        True,
        True,
    )
    difference = bundle(line, "diff", "ac22-eu-r2").out
    assert {"-limit_seconds = 900", "+limit_seconds = 800"} <= set(difference.splitlines())
    assert "is not signed by its author" in order(line, "ac22-eu-r2").err
    assert (
        "signed by process-engineer as author"
        in bundle(line, "approve", "ac22-eu-r2", "--as", "author", "--key", key(line, AUTHOR)).out
    )
    assert "0 of 1 approvals" in order(line, "ac22-eu-r2").err
    assert "ac22-eu-r2: usable" in bundle(line, "approve", "ac22-eu-r2", "--key", key(line, APPROVER)).out
    assert order(line, "ac22-eu-r2").code == 0
    assert bundle(line, "check", "ac22-eu-r2").code == 0


def test_signature_made_on_another_computer(line: Path, tmp_path: Path) -> None:
    """An approver needs ssh-keygen and the document only."""
    next_one = make_bundle(line / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    document = write_bundle(next_one)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(document, elsewhere)
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "approver@charger-station", "-f", key(line, QUALITY)]
    subprocess.run([*map(str, words), str(elsewhere / "bundle.json")], check=True, timeout=30, capture_output=True)
    taken = bundle(line, "approve", next_one.name, "--signature", elsewhere / "bundle.json.sig")
    assert (taken.code, "signed by quality as approver" in taken.out) == (0, True)


@pytest.mark.parametrize(
    ("person", "role", "told"),
    [
        (AUTHOR, "approver", "can't approve their own work"),
        (APPROVER, "author", "was made in a role that this person does not have"),
    ],
)
def test_signature_that_does_not_count_is_not_kept(line: Path, person: str, role: str, told: str) -> None:
    made = make_bundle(line / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    folder = write_bundle(made).parent
    ran = bundle(line, "approve", made.name, "--as", role, "--key", key(line, person))
    assert (ran.code, told in ran.err) == (2, True)
    assert list(folder.glob("*.sig")) == []


def test_signature_in_another_role_or_of_another_bundle_is_not_kept(line: Path) -> None:
    made = make_bundle(line / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    folder = write_bundle(made).parent
    old = line / "catalog/bundles/ac22-eu-r1"
    swapped = bundle(line, "approve", made.name, "--signature", old / f"author-{AUTHOR}.sig")
    stale = bundle(line, "approve", made.name, "--signature", old / f"approver-{APPROVER}.sig")
    none = bundle(line, "approve", made.name, "--signature", old / "bundle.json")
    assert [ran.code for ran in (swapped, stale, none)] == [2, 2, 2]
    assert "was made for 'author@charger-station'" in swapped.err
    assert "does not fit" in stale.err
    assert "no signature of ssh-keygen" in none.err
    assert list(folder.glob("*.sig")) == []


def test_edited_bundle_is_refused_with_its_difference(line: Path) -> None:
    """F-A2: from the recorded copy to what lies there now."""
    edit(line / "catalog/bundles/ac22-eu-r1/bundle.json", "limit_seconds = 900", "limit_seconds = 90")
    refused = order(line, "ac22-eu-r1")
    assert (refused.code, "was edited after it was approved" in refused.err) == (2, True)
    assert "-limit_seconds = 900" in refused.err
    assert "+limit_seconds = 90" in refused.err
    assert bundle(line, "check", "ac22-eu-r1").code == 2


def test_edited_and_signed_again_is_still_not_that_revision(line: Path) -> None:
    """A revision that was recorded has one content for good, whoever signs another."""
    folder = line / "catalog/bundles/ac22-eu-r1"
    edit(folder / "bundle.json", "limit_seconds = 900", "limit_seconds = 90")
    spoiled = load_bundle(line / "catalog", "ac22-eu-r1")
    sign_bundle(spoiled, line.parent / "people", AUTHOR, Role.AUTHOR)
    sign_bundle(spoiled, line.parent / "people", APPROVER, Role.APPROVER)
    assert "was edited after it was approved" in order(line, "ac22-eu-r1").err


def backdated(line: Path) -> str:
    """Make a bundle that expired yesterday, with all its signatures, and return its name."""
    fresh = make_bundle(line / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    times = {"created": iso(utc_now() - timedelta(days=30)), "expires": iso(utc_now() - timedelta(days=1))}
    old = parse_bundle(rfc8785.dumps(json.loads(fresh.document) | times), line / "catalog", "old")
    write_bundle(old)
    sign_bundle(old, line.parent / "people", AUTHOR, Role.AUTHOR)
    sign_bundle(old, line.parent / "people", APPROVER, Role.APPROVER)
    return old.name


def test_expired_bundle_builds_nothing(line: Path) -> None:
    refused = order(line, backdated(line))
    assert (refused.code, "expired at" in refused.err) == (2, True)


def test_withdrawn_bundle_builds_nothing(line: Path) -> None:
    """F-A2: neither a new order nor the one that runs; said by whom and why."""
    refused = bundle(line, "withdraw", "ac22-eu-r1", "--reason", " ")
    assert (refused.code, "reason" in refused.err) == (2, True)
    gone = bundle(line, "withdraw", "ac22-eu-r1", "--reason", "fuse rating")
    assert (gone.code, "It stops 0 unit(s) in work" in gone.out) == (0, True)
    assert "withdrawn by lead-1: fuse rating" in order(line, "ac22-eu-r1").err
    started = run("station", "run", "--dir", line, timeout=40)
    assert (started.code, "withdrawn by lead-1: fuse rating" in started.err) == (2, True)
    assert re.search(r"^ac22-eu-r1 +withdrawn", bundle(line, "list").out, re.MULTILINE)


def test_override_by_commands(line: Path) -> None:
    """Two people, two commands; a third person's or the author's does not count."""
    made = make_bundle(line / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    write_bundle(made)
    sign_bundle(made, line.parent / "people", AUTHOR, Role.AUTHOR)
    nothing = bundle(line, "override", made.name, "--as", "line", "--key", key(line, APPROVER))
    assert (nothing.code, "has no override.json" in nothing.err) == (2, True)
    first = bundle(line, "override", made.name, "--as", "line", "--key", key(line, APPROVER), "--reason", "line down")
    assert (first.code, "unapproved" in first.out) == (0, True)
    wrong = bundle(line, "override", made.name, "--as", "quality", "--key", key(line, APPROVER))
    assert (wrong.code, "in a role that this person does not have" in wrong.err) == (2, True)
    second = bundle(line, "override", made.name, "--as", "quality", "--key", key(line, QUALITY))
    assert (second.code, "overridden" in second.out) == (0, True)
    shown = json.loads(bundle(line, "show", made.name, "--json").out)
    assert shown["approval"]["override"]["reason"] == "line down"
    assert order(line, made.name).code == 0


def test_no_override_beyond_three_days(line: Path) -> None:
    ran = bundle(line, "override", "ac22-eu-r1", "--as", "line", "--reason", "x", "--hours", "73")
    assert (ran.code, "73" in ran.err) == (2, True)


def test_approvals_can_be_raised_and_never_lowered(line: Path) -> None:
    """F-A2: at least one besides the author, whatever station.toml says."""
    settings = line / "station.toml"
    edit(settings, "approvals = 1", "approvals = 2")
    assert "1 of 2 approvals" in order(line, "ac22-eu-r1").err
    for number in ("0", "-1"):
        edit(settings, "approvals = 2", f"approvals = {number}")
        assert "nobody approves their own work alone" in order(line, "ac22-eu-r1").err
        edit(settings, f"approvals = {number}", "approvals = 2")


def test_draft_is_for_development_factories(line: Path) -> None:
    """F-K7, P15: what decides is the factory's CAs; no option and no setting does."""
    ran = station("order", "create", "WO-2", "--dir", line, "--draft", "ac22-eu", "--quantity", "1",
              "--prefix", "AC22-", "--first", "900")  # fmt: skip
    assert (ran.code, "this factory's CAs are of production" in ran.err) == (2, True)


def test_draft_of_a_development_factory_is_marked(line: Path) -> None:
    """F-K7: it stands in whatever is said of the unit, and in no approver's name."""
    config = load_station(line)
    with open_records(config.database_url, config.station.id) as records:
        recipe = draft(config, records, "ac22-eu")
    refuse_draft(recipe, development=True)
    assert (recipe.approval.development, recipe.approval.approvers) == (True, ())
    assert recipe.approval.bundle == "draft of ac22-eu r1"
    with pytest.raises(ConfigError, match="CAs are of production"):
        refuse_draft(recipe, development=False)


def as_draft(line: Path) -> None:
    """Make the order one of a draft, as only somebody who writes the database could."""
    with sqlite3.connect(line / "station.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        digest = load_recipe(Folder(line / "catalog"), "ac22-eu", STEPS).digest
        connection.execute("UPDATE work_order SET bundle = '', recipe_digest = ?", (digest,))


def test_order_for_a_draft_does_not_start_a_production_station(line: Path) -> None:
    """F-K7: also an order that got into the database some other way."""
    as_draft(line)
    started = run("station", "run", "--dir", line, timeout=60)
    assert (started.code, "is a draft that nobody approved" in started.err) == (2, True)


def test_old_bundle_is_read_from_the_record(line: Path) -> None:
    """F-A3: the catalogue lost it; the record has it with its signatures."""
    config = load_station(line)
    shutil.rmtree(line / "catalog/bundles")
    with open_records(config.database_url, config.station.id) as records:
        (found,) = assess_all(config, records)
        (kept,) = records.bundles()
    assert (found.name, found.judgement.approval.approvers) == ("ac22-eu-r1", (APPROVER,))
    assert set(kept.files) == {f"author-{AUTHOR}.sig", f"approver-{APPROVER}.sig"}
    assert found.bundle is not None
    assert found.bundle.recipe(STEPS).product.name == "ac22"


def test_drafts_do_not_reach_what_is_built(line: Path) -> None:
    """P03, P08: after the approval nothing in the catalogue's folders counts but the firmware files, by digest."""
    config = load_station(line)
    with open_records(config.database_url, config.station.id) as records:
        before = approved(config, records, "ac22-eu-r1")
        for kind in ("products", "profiles", "environments", "recipes"):
            shutil.rmtree(line / "catalog" / kind)
        assert approved(config, records, "ac22-eu-r1") == before
        with pytest.raises(ConfigError, match="ac22-eu-r2"):
            approved(config, records, "ac22-eu-r2")


def test_unreadable_bundle_does_not_hide_the_others(line: Path) -> None:
    name = next_bundle(line)
    (line / "catalog/bundles" / name / "bundle.json").write_text("{")
    config = load_station(line)
    with open_records(config.database_url, config.station.id) as records:
        states: dict[str, Any] = {one.name: one.judgement.state.value for one in assess_all(config, records)}
        assert assess(config, records, name).bundle is None
    assert states == {"ac22-eu-r1": "usable", name: "refused"}

"""`station product` and `station recipe`: examples in the help, JSON, exit codes, and all that is wrong (F-A1)."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.approval import approved_bundle, write_approvers
from fixtures.demo.place import CATALOG
from pki.ledger import create_ledger
from pki.plan import Layout
from station.catalog.lint import lint_product, lint_recipe
from station.catalog.source import Folder
from station.cli import main
from station.steps import STEPS
from tests.catalog.conftest import edit
from tests.people.staff import staffed

CHAPTER = Path(__file__).parents[2] / "station/catalog/README.md"

COMMANDS = (
    *(("product", name) for name in ("list", "show", "lint", "new")),
    *(("recipe", name) for name in ("lint", "show", "diff")),
)


def station(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: tuple[str, str]) -> None:
    told = station(*command, "--help")
    assert told.exit_code == 0
    assert f"  station {' '.join(command)}" in told.output


def test_list_names_products_and_says_which_can_not_be_read(whole: Path) -> None:
    edit(whole / "products/dc60/product.toml", "revision = 1", "revision = one")
    told = station("product", "list", "--catalog", whole)
    assert told.exit_code == 0
    assert "ac22-volt            r1   VOLT 22" in told.output
    assert "can not be read: station product lint dc60" in told.output


def test_show_is_the_product_as_the_station_reads_it(complete: Path) -> None:
    shown = json.loads(station("product", "show", "dc60", "--json", "--catalog", complete).output)
    assert [outlet["meter"] for outlet in shown["connector"]] == ["DCM-200", "DCM-200"]
    assert shown["support_until"] == "2036-12-31"
    told = station("product", "show", "dc60", "--catalog", complete).output
    assert "connector   B: EVSE 2, cCCS2, 100 A, 60 kW, NotApplicable, DCM-200 meter" in told


def test_lint_of_a_good_catalogue_is_quiet(complete: Path) -> None:
    """Exit code 0, one line each."""
    for kind in ("product", "recipe"):
        told = station(kind, "lint", "--catalog", complete)
        assert told.exit_code == 0
        assert all(line.startswith("ok ") for line in told.output.splitlines())


def test_lint_lists_every_problem_of_every_file(whole: Path) -> None:
    """Exit code 2, and not the first problem only."""
    edit(whole / "products/ac22/product.toml", 'model = "AC22"', 'model = ""')
    edit(whole / "products/ac22/product.toml", "evse = 2", "evse = 3")
    edit(whole / "products/dc60/product.toml", "[limits]", "[limit]")
    told = station("product", "lint", "--json", "--catalog", whole)
    found = json.loads(told.output)
    assert told.exit_code == 2
    assert [len(found[name]) for name in ("ac22", "dc60", "ac22-volt")] == [2, 1, 0]
    assert "did you mean 'limits'" in found["dc60"][0]


def test_notes_in_the_repository_are_no_definitions(whole: Path) -> None:
    """A catalogue lives in a git repository, where other files lie too."""
    for folder in ("products", "recipes"):
        (whole / folder / "README.md").write_text("About these.\n")
        (whole / folder / ".gitkeep").touch()
    assert station("product", "lint", "--catalog", whole).exit_code == 0
    assert "README" not in station("recipe", "lint", "--catalog", whole).output


def test_lint_of_nothing_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    assert station("recipe", "lint", "--catalog", tmp_path / "catalog").exit_code == 2
    assert station("product", "lint", "nothing", "--catalog", tmp_path / "catalog").exit_code == 2


def test_recipe_is_shown_with_everything_it_names(complete: Path) -> None:
    told = station("recipe", "show", "dc60-eu", "--catalog", complete).output
    for part in ("dc60 r1", "dc60-2.1.0", "base r1, dc60 r1", "bench-test", "field", "flash: 3 retries, 1800 s"):
        assert part in told
    shown = json.loads(station("recipe", "show", "dc60-eu", "--json", "--catalog", complete).output)
    assert [step["use"] for step in shown["steps"]][-2:] == ["seal", "label"]


def test_diff_of_two_recipes_pairs_what_each_names(complete: Path) -> None:
    """A product is compared with the other recipe's product, not with nothing."""
    told = station("recipe", "diff", "ac22-eu", "dc60-eu", "--catalog", complete).output
    assert "--- products/ac22/product.toml\n+++ products/dc60/product.toml" in told
    assert {'-model = "AC22"', '+model = "DC60"'} <= set(told.splitlines())
    assert "bench-test.toml" not in told


def test_diff_of_a_bundle_and_the_draft_is_what_the_draft_changes(whole: Path, keys: Path) -> None:
    """F-A2: before anybody approves, it is seen what differs from what was approved."""
    approved_bundle(whole, keys, "ac22-eu")
    same = station("recipe", "diff", "ac22-eu-r1", "ac22-eu", "--catalog", whole)
    edit(whole / "products/ac22/product.toml", "restart = 60.0", "restart = 90.0")
    told = station("recipe", "diff", "ac22-eu-r1", "ac22-eu", "--catalog", whole)
    assert (same.exit_code, same.output) == (0, "ac22-eu-r1 and ac22-eu are the same.\n")
    assert [line for line in told.output.splitlines() if line[:1] in "+-"] == [
        "--- products/ac22/product.toml",
        "+++ products/ac22/product.toml",
        "-restart = 60.0",
        "+restart = 90.0",
    ]


def test_diff_of_what_does_not_exist_is_refused(complete: Path) -> None:
    told = station("recipe", "diff", "ac22-eu-r7", "ac22-eu", "--catalog", complete)
    assert told.exit_code == 2
    assert "ac22-eu-r7" in told.stderr


EMPTY = ("vendor", "model", "hardware[0]: revision", "support_until", "Voltage", "Power")
FILLED = {
    'vendor = ""': 'vendor = "Example Chargers"',
    'model = ""': 'model = "AC11"',
    "1970-01-01": "2036-12-31",
    '[[hardware]]\nrevision = ""': '[[hardware]]\nrevision = "rev-b"',
    'Voltage = ""': 'Voltage = "400 V 3~ N PE"',
    'Frequency = ""': 'Frequency = "50 Hz"',
    'Current = ""': 'Current = "16 A"',
    'Power = ""': 'Power = "11 kW"',
    'Protection = ""': 'Protection = "IP54"',
    'Temperature = ""': 'Temperature = "-25 … +45 °C"',
}


def test_new_product_lacks_nothing_but_what_must_be_filled_in(whole: Path) -> None:
    """The skeleton lints clean apart from its empty places, and clean once they are filled."""
    made = station("product", "new", "ac11", "--catalog", whole)
    before = lint_product(("mcuboot",), Folder(whole), "ac11")
    for old, new in FILLED.items():
        edit(whole / "products/ac11/product.toml", old, new)
    assert made.exit_code == 0
    assert len(before) == len(FILLED)
    assert all(any(place in problem for problem in before) for place in EMPTY)
    assert lint_product(("mcuboot",), Folder(whole), "ac11") == ()


def test_new_products_recipe_needs_nothing_but_its_firmware(whole: Path) -> None:
    """With a release that names the product, the recipe of the skeleton loads as it is."""
    station("product", "new", "ac11", "--catalog", whole)
    for old, new in FILLED.items():
        edit(whole / "products/ac11/product.toml", old, new)
    assert all("firmware/ac11-1.0.0" in problem for problem in lint_recipe(STEPS, Folder(whole), "ac11"))
    edit(whole / "firmware/ac22-1.4.0/release.toml", '"ac22-volt"]', '"ac22-volt", "ac11"]')
    edit(whole / "recipes/ac11.toml", "ac11-1.0.0", "ac22-1.4.0")
    assert lint_recipe(STEPS, Folder(whole), "ac11") == ()


@pytest.mark.parametrize("name", ["ac22", "AC11", "../ac11", "", "a" * 41])
def test_new_product_touches_nothing_that_exists(whole: Path, name: str) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*.toml")}
    told = station("product", "new", name, "--catalog", whole)
    assert told.exit_code == 2
    assert {path: path.read_bytes() for path in whole.rglob("*.toml")} == before


def blocks(place: Path) -> list[list[str]]:
    """Return the commands of the README's chapter, block by block, with the folder of scratch files replaced."""
    found = re.findall(r"```sh\n(.*?)```", CHAPTER.read_text(), re.DOTALL)
    return [block.replace("/tmp/", f"{place}/").splitlines() for block in found]


def obey(line: str, environment: dict[str, str]) -> Result | None:
    """Run one line of the chapter: our commands here, all others in a shell."""
    if not line.startswith("station "):
        subprocess.run(["bash", "-ec", line], env=environment, check=True, timeout=20)
        return None
    words = [re.sub(r"\$(\w+)", lambda found: environment[found[1]], word) for word in shlex.split(line)]
    return CliRunner().invoke(main, words[1:], env=environment)


def test_chapter_of_the_readme_is_true(tmp_path: Path, whole: Path, keys: Path) -> None:
    """A new user adds a fourth product with these very commands, up to the work order."""
    staff = staffed(tmp_path)
    directory = staff.station
    shutil.copy(staff.people / "lead-1.pin", keys)
    layout = Layout(directory / "pki")
    shutil.copy(CATALOG / "ceremony.toml", layout.plan)
    create_ledger(layout.ledger)
    for folder in sorted((directory / "catalog").iterdir()):
        folder.rmdir()
    whole.rename(directory / "catalog")
    write_approvers(keys, directory / "approvers")
    environment = {"STATION_DIR": str(directory), "PEOPLE": str(keys), "PATH": "/usr/bin:/bin"}
    _, write, fill, *rest, order = blocks(tmp_path)
    codes = [done.exit_code for line in write if (done := obey(line, environment))]
    for old, new in FILLED.items():
        edit(directory / "catalog/products/ac11/product.toml", old, new)
    told = [done for block in (fill, *rest, order) for line in block if (done := obey(line, environment))]
    assert codes == [0, 2]
    assert [done.output for done in told if done.exit_code] == []
    assert "ac11-r1: usable" in told[-2].output
    assert told[-1].output == "Order WO-2001: 5 units, AC11-000001 to AC11-000005\n"

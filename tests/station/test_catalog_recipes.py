"""Recipes and what they name: almost right is wrong, and the message says where (F-A1, F-E1, F-N4)."""

from pathlib import Path

import pytest

from station.catalog.configuration import render
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.errors import ConfigError
from station.steps import STEPS
from tests.station.conftest import edit

UNIT = {"serial": "AC22-000001", "ocpp_identity": "AC22-000001", "customer": "", "slot": "ship"}


def refusal(catalog: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Folder(catalog), "ac22-eu", STEPS)
    return caught.value.message


def test_recipe_of_the_demonstration_loads(catalog: Path) -> None:
    """F-A1: the recipe names product, firmware and environments, and its digest covers them all."""
    recipe = load_recipe(Folder(catalog), "ac22-eu", STEPS)
    assert recipe.product.model == "AC22"
    assert len(recipe.digest) == 64


@pytest.mark.parametrize(
    "name",
    [
        "recipes/ac22-eu.toml",
        "products/ac22/product.toml",
        "environments/field.toml",
        "firmware/ac22-1.4.0/release.toml",
        "profiles/base.toml",
        "profiles/ac22.toml",
        "profiles/eu.toml",
    ],
)
def test_digest_changes_with_everything_that_is_named(catalog: Path, name: str) -> None:
    """F-A1: an edit anywhere gives another digest."""
    before = load_recipe(Folder(catalog), "ac22-eu", STEPS).digest
    with (catalog / name).open("a") as file:
        file.write("\n# edited\n")
    assert load_recipe(Folder(catalog), "ac22-eu", STEPS).digest != before


def test_missing_recipe_is_refused(catalog: Path) -> None:
    """F-A1: no recipe, no run."""
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        load_recipe(Folder(catalog), "nothing", STEPS)


def test_typo_in_a_step_names_the_nearest_word(catalog: Path) -> None:
    """Bad input: a recipe with a typo."""
    edit(catalog / "recipes/ac22-eu.toml", 'use = "flash"', 'use = "flahs"')
    assert "did you mean 'flash'" in refusal(catalog)


def test_left_out_step_is_refused(catalog: Path) -> None:
    """F-L6: what every unit needs can't be left out, and the refusal says why."""
    edit(catalog / "recipes/ac22-eu.toml", '[[step]]\nuse = "accept"\nretries = 1\n', "")
    assert "no step uses 'accept'" in refusal(catalog)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("revision = 1", 'revision = "1"', "revision: int is expected"),
        ("key_origin", "key_orign", "did you mean 'key_origin'"),
        ('key_origin = "hsm"', 'key_origin = "hms"', "did you mean 'hsm'"),
        ("retries = 3", "retries = 30", "retries must be 0 to 5"),
        (
            'test_environment = "bench-test"',
            'test_environment = "field"',
            "'ship' can't be used where 'test' is needed",
        ),
    ],
)
def test_recipe_that_is_almost_right_is_refused(catalog: Path, old: str, new: str, told: str) -> None:
    """F-A1, F-D8: file, key path and the nearest valid word."""
    edit(catalog / "recipes/ac22-eu.toml", old, new)
    message = refusal(catalog)
    assert told in message
    assert "ac22-eu.toml" in message or "field.toml" in message


@pytest.mark.parametrize("endpoint", ["ws://csms.ship.example/ocpp", "wss://localhost/ocpp", "wss://cp001.example/x"])
def test_sample_values_never_ship(catalog: Path, endpoint: str) -> None:
    """F-E8, F-K6: plain ws, localhost and sample names are refused in a ship environment."""
    edit(catalog / "environments/field.toml", "wss://csms.ship.example/ocpp", endpoint)
    assert "field.toml" in refusal(catalog)


def test_connectors_must_be_contiguous(catalog: Path) -> None:
    """F-G7: EVSE numbers start at 1 without a gap."""
    edit(catalog / "products/ac22/product.toml", "evse = 2", "evse = 3")
    assert "evse numbers" in refusal(catalog)


def test_profile_without_tls_is_refused(catalog: Path) -> None:
    """F-H1: units prove themselves over TLS, with a certificate or a password of their own."""
    edit(catalog / "products/ac22/product.toml", "security_profile = 3", "security_profile = 1")
    assert "security_profile must be 2 or 3, not 1" in refusal(catalog)


def test_configuration_follows_the_environment(catalog: Path) -> None:
    """F-F5: switching the environment changes every endpoint; nothing is written in code."""
    recipe = load_recipe(Folder(catalog), "ac22-eu", STEPS)
    test, ship = (render(recipe, environment, UNIT) for environment in (recipe.test, recipe.ship))
    assert test.values["ocpp_url"] == "wss://csms.test.example/ocpp"
    assert ship.values["ocpp_url"] == "wss://csms.ship.example/ocpp"
    assert list(ship.device)[-1] == "charger/ocpp/url"


def test_same_inputs_give_the_same_configuration(catalog: Path) -> None:
    """F-N4: determinism over stations."""
    recipes = (load_recipe(Folder(catalog), "ac22-eu", STEPS) for _ in range(3))
    digests = {render(recipe, recipe.ship, UNIT).sha256 for recipe in recipes}
    assert len(digests) == 1


def test_unknown_name_in_a_template_is_refused(catalog: Path) -> None:
    """F-E1: StrictUndefined."""
    edit(catalog / "profiles/base.toml", "{{ environment.ntp | listed }}", "{{ environment.ntpp | listed }}")
    message = refusal(catalog)
    assert "ntp_server" in message
    assert "ntpp" in message


def test_no_endpoint_stands_in_code_or_templates() -> None:
    """F-F5: no URL of a CSMS outside of the environments."""
    root = Path(__file__).parents[2]
    files = [path for folder in ("station", "pki", "templates") for path in (root / folder).rglob("*.*")]
    assert not [
        path for path in files if path.suffix in (".py", ".toml", ".zpl") and b"wss://csms" in path.read_bytes()
    ]


def test_renewal_is_left_out_with_a_reason_only(catalog: Path) -> None:
    """F-D9: mandatory, or declared not performed; the reason reaches record and passport."""
    product = catalog / "products/ac22/product.toml"
    with product.open("a") as file:
        file.write("\n[renewal]\nperformed = false\n")
    assert "must say why it is not performed" in refusal(catalog)
    edit(product, "performed = false", 'performed = false\nreason = "No SignCertificate before release 2."')
    shown = load_recipe(Folder(catalog), "ac22-eu", STEPS).product.not_shown
    assert "The renewal of the certificate was not rehearsed: No SignCertificate before release 2." in shown

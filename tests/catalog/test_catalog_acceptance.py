"""What a product may say of its acceptance: what was promised of every unit can't be weakened (F-H1 to F-H5)."""

import pytest

from station.acceptance import for_product
from station.acceptance.catalogue import ACCEPTANCE
from station.catalog.acceptance import CHOSEN, DECLARED, PROMISED, Acceptance, Need, Terms
from station.catalog.products import Product, load_product
from station.catalog.source import Folder
from station.errors import ConfigError
from station.strict import parse, toml_table
from tests.catalog.conftest import CATALOG

TEXT = (CATALOG / "products/ac22/product.toml").read_text()
WHERE = "products/ac22/product.toml"


def refused(old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        parse(Product, toml_table(TEXT.replace(old, new, 1).encode(), WHERE), WHERE)
    return " | ".join(caught.value.problems)


@pytest.mark.parametrize("need", ["optional", "not performed"])
@pytest.mark.parametrize("check", PROMISED)
def test_what_was_promised_can_not_be_weakened(check: str, need: str) -> None:
    """F-H1: connect, boot, status and remote commands; names the file and the key."""
    reason = ', reason = "Later."' if need == "not performed" else ""
    told = refused("[acceptance.checks]\n", f'[acceptance.checks]\n"{check}" = {{ need = "{need}"{reason} }}\n')
    assert (
        told
        == f"{WHERE}: acceptance: checks: '{check}' is promised of every unit: it is mandatory, and can't be '{need}'"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('unlok = { need = "optional" }', "unknown check 'unlok'; did you mean 'unlock'?"),
        ('unlock = { need = "not performed" }', "reason: must say why it is not performed"),
        ('unlock = { reason = "Because." }', "reason: must say why it is not performed, and is for nothing else"),
        ('unlock = { need = "sometimes" }', "need: unknown word 'sometimes'"),
        ("unlock = { limit = 601.0 }", "limit: must be 0 to 600 s"),
        ('renewal = { need = "optional" }', "'renewal' is left out by 'performed = false' of its own table only"),
    ],
)
def test_terms_that_nobody_could_mean_are_refused(line: str, told: str) -> None:
    assert told in refused("[acceptance.checks]\n", f"[acceptance.checks]\n{line}\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"PowerUp", ', '"PowerUpp", ', "boot_reasons: unknown word 'PowerUpp'; did you mean 'PowerUp'?"),
        ("{letter}/vehicle", "a/vehicle", "vehicle: must be a key with {letter} in it"),
        ('vehicle = "charger', '# "charger', ""),
        ("offline_seconds = 0.5", "offline_seconds = 0.0", "offline_seconds: must be above 0 and at most 120 s"),
        ("offline_seconds = 0.5", "offline_seconds = nan", "offline_seconds: must be above 0"),
        ('unlock = "Unlocked"', 'unlock = "Open"', "unlock: unknown word 'Open'"),
        ('["StartupOfTheDevice"]', '["Startup of"]', "must be a name of 1 to 120 printable characters"),
    ],
)
def test_values_that_no_unit_could_have_are_refused(old: str, new: str, told: str) -> None:
    if told:
        assert told in refused(old, new)
        return
    need = TEXT.replace("[acceptance.checks]\n", "[acceptance.checks]\noutlets = { limit = 9.0 }\n")
    with pytest.raises(ConfigError, match="'outlets' needs a simulated vehicle"):
        parse(Product, toml_table(need.replace(old, new).encode(), WHERE), WHERE)


def test_catalogue_and_sequence_know_the_same_checks() -> None:
    """A check that a product could not name would be one that nobody decided about."""
    performed = {check.name for check in for_product(Acceptance())} | {"replace anchor"}
    assert performed == {*PROMISED, *CHOSEN, *DECLARED}
    assert {check.name for checks in ACCEPTANCE.values() for check in checks} >= set(PROMISED)


def test_what_is_left_out_stands_in_every_passport() -> None:
    """F-H5: with the reason, also where a product says nothing of it."""
    silent = Acceptance()
    told = " ".join(silent.sentences)
    for name in ("outlets", "remote start", "security events", "power cycle"):
        assert f"'{name}' was not performed: " in told
    assert "were not compared with golden values" in told
    assert load_product(Folder(CATALOG), "ac22").not_shown == (
        "The acceptance check 'power cycle' was not performed: This bench has no relay for the unit's power.",
    )


def test_terms_reach_the_sequence() -> None:
    plan = Acceptance(
        checks={"unlock": Terms(Need.OPTIONAL), "clock": Terms(limit=7.0), "offline": Terms(Need.LEFT_OUT, "No time.")}
    )
    by_name = {check.name: check for check in for_product(plan)}
    assert (by_name["unlock"].mandatory, by_name["clock"].limit_seconds) == (False, 7.0)
    assert (by_name["offline"].left_out, by_name["boot"].left_out) == ("No time.", "")
    assert by_name["conformance"].mandatory is False

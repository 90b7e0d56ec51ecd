"""How a product is told its ship endpoint, what it must refuse and where traces lie: wrong ones are refused at load."""

from pathlib import Path

import pytest

from station.catalog.products import Product, load_product
from station.catalog.shipping import Extent, Method, Refusal
from station.catalog.source import Folder
from station.errors import ConfigError

SAMPLES = Path(__file__).parents[2] / "fixtures" / "catalog"


def load(tmp_path: Path, name: str, old: str, new: str) -> Product:
    """Load a sample product with something changed in its file."""
    text = (SAMPLES / "products" / name / "product.toml").read_text()
    assert old in text
    place = tmp_path / "products" / name
    place.mkdir(parents=True)
    (place / "product.toml").write_text(text.replace(old, new, 1))
    return load_product(Folder(tmp_path), name)


RESIDUE = '[residue]\nlogs = ["/lfs/log.txt"]'
WRONG = {
    "method of another version": (
        "ac22", RESIDUE, '[endpoint]\nmethod = "ocpp-key"\nkey = "Url"\n\n' + RESIDUE, "not one of ocpp2.0.1"
    ),
    "key that is missing": ("ac22-basic", 'key = "CentralSystemAddress"\n\n', "\n", "key: it names the vendor's key"),
    "slot of the test endpoint": ("ac22-volt", "slot = 2\n", "slot = 1\n", "slot and test_slot are two different"),
    "unknown method": ("ac22-volt", '"set-network-profile"', '"set-network"', "endpoint: method"),
    "refusal left out without a reason": (
        "ac22", 'performed = "sample"\nevery = 20', 'performed = "not performed"', "'reason' must say why"
    ),
    "sample of none": ("ac22", "every = 20", "every = 0", "every: must be 2 to 10000"),
    "log that is no file": ("ac22", '"/lfs/log.txt"', '"log.txt"', "is no path such as"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_with_file_and_key(tmp_path: Path, case: str) -> None:
    name, old, new, told = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, name, old, new)
    assert told in caught.value.message
    assert f"products/{name}/product.toml: " in caught.value.message


def test_samples_are_told_in_all_three_ways() -> None:
    methods = {
        name: load_product(Folder(SAMPLES), name).endpoint.method for name in ("ac22", "ac22-basic", "ac22-volt")
    }
    assert list(methods.values()) == list(Method)


def test_what_is_left_out_stands_in_every_passport() -> None:
    """F-H2: the reason as the product gives it."""
    shown = load_product(Folder(SAMPLES), "ac22-volt").not_shown
    reason = "It is proven by the AC22, which has the same firmware."
    assert f"That it refuses an untrusted server was not proven: {reason}" in shown


def test_a_sample_is_the_same_each_time_and_about_as_large_as_it_says() -> None:
    refusal = Refusal(Extent.SAMPLE, every=20)
    chosen = [number for number in range(4000) if refusal.includes(f"AC22-{number:06d}")]
    assert chosen == [number for number in range(4000) if refusal.includes(f"AC22-{number:06d}")]
    assert 150 <= len(chosen) <= 250
    assert not Refusal(Extent.NEVER, reason="No bench.").includes("AC22-000001")

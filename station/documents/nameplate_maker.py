"""What a nameplate says of the maker: `nameplate.toml` beside the product, as it is no part of a unit's record."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import ConfigError
from station.strict import load, read_bounded, shown

COUNTRY = re.compile(r"[A-Z]{2}")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
LONGEST = 1000
"""Characters of a text; the metamodel of the Asset Administration Shell allows 1,023."""
MAX_PICTURE = 500_000
"""Bytes of a marking's picture."""
PNG = b"\x89PNG\r\n\x1a\n"
FILE = "nameplate.toml"


@dataclass(frozen=True)
class Address:
    """Where the maker is reached by post; who puts a product on the market must say so."""

    street: str
    zipcode: str
    city: str
    country: str
    """ISO 3166-1, two letters."""
    email: str = ""
    phone: str = ""
    website: str = ""


@dataclass(frozen=True)
class Maker:
    """What all units of a product share on their nameplates."""

    designation: str
    """What it is, as a catalogue calls it."""
    address: Address
    order_code: str = ""
    """Empty for the model."""
    family: str = ""
    country_of_origin: str = ""
    facility: str = ""
    """Identifier of the factory, such as its GLN."""
    language: str = "en"
    """Of the texts."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Picture of each marking: `CE` -> `ce.png`; a marking without one stands in the passport alone."""

    def __post_init__(self) -> None:
        """Refuse what a nameplate can't say."""
        texts = {name: text for part in (vars(self), vars(self.address)) for name, text in part.items()}
        problems = [f"{name}: must be at most {LONGEST} printable characters" for name in texts if _unfit(texts[name])]
        needed = {"designation": self.designation, **{name: getattr(self.address, name) for name in NEEDED}}
        problems += [f"{name}: must not be empty" for name, text in needed.items() if not text.strip()]
        countries = {"address: country": self.address.country, "country_of_origin": self.country_of_origin}
        problems += [
            f"{name}: two capital letters are expected, not {shown(code)}"
            for name, code in countries.items()
            if code and not COUNTRY.fullmatch(code)
        ]
        if not LANGUAGE.fullmatch(self.language):
            problems.append(f"language: a tag such as 'en' is expected, not {shown(self.language)}")
        if problems:
            raise ValueError(*problems)


NEEDED = ("street", "zipcode", "city", "country")


def _unfit(value: object) -> bool:
    return isinstance(value, str) and (len(value) > LONGEST or not value.isprintable())


def load_maker(product: Path) -> tuple[Maker, dict[str, bytes]]:
    """Return what a product's `nameplate.toml` says, and the pictures of its markings by the marking's name.

    Raises:
        ConfigError: There is no such file, or it or a picture can't be used.
    """
    path = product / FILE
    if not path.exists():
        raise ConfigError(
            f"{path} is missing: a nameplate says who made the unit, and where", hint="Write it; see the README."
        )
    maker = load(Maker, path)
    return maker, {marking: _picture(product, name) for marking, name in maker.pictures.items()}


def _picture(product: Path, name: str) -> bytes:
    path = product / name
    if path.resolve().parent != product.resolve():
        raise ConfigError(f"{path}: a picture must lie beside {FILE}", hint="Copy it there.")
    content = read_bounded(path, str(path), MAX_PICTURE, "Copy the picture there, or correct its name.")
    if not content.startswith(PNG):
        raise ConfigError(f"{path}: is no PNG", hint="Save the picture as PNG.")
    return content

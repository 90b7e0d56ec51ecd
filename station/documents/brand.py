"""How a maker's documents look: colour, logo and language, from `brand.toml` beside the product.

The look is no part of the signed record; a product without the file gets ours.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from station.documents.wording import languages
from station.errors import ConfigError
from station.strict import parse

MAX_LOGO = 500_000
"""Bytes of a logo."""
MAX_LOGO_PIXELS = 4_000_000
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
RESOLVER = re.compile(r"https://[a-z0-9.-]+(/[A-Za-z0-9._-]+)*\Z")


@dataclass(frozen=True)
class Brand:
    """The look of a product's documents."""

    accent: str = "#0b6e6e"
    """Colour of lines and titles, `#rrggbb`."""
    language: str = "en"
    resolver: str = "https://id.gs1.org"
    """Where GS1 Digital Links lead; GS1's own resolver knows every GTIN."""
    logo: bytes = b""
    """PNG or JPEG, shown instead of the vendor's name; empty for none."""
    signals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What this charger shows at its first start, by language: `Green, slow` -> `waits for a vehicle`."""


@dataclass(frozen=True)
class _File:
    accent: str = Brand.accent
    language: str = Brand.language
    resolver: str = Brand.resolver
    logo: str = ""
    signals: dict[str, dict[str, str]] = field(default_factory=dict)


def load_brand(product: Path) -> Brand:
    """Return the look that a product's folder asks for, ours where it has no `brand.toml`.

    Raises:
        ConfigError: The file or its logo can't be used.
    """
    path = product / "brand.toml"
    if not path.exists():
        return Brand()
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    file = parse(_File, table, str(path))
    _check(file, path)
    logo = _logo(product, file.logo) if file.logo else b""
    return Brand(file.accent, file.language, file.resolver.rstrip("/"), logo, file.signals)


def _check(file: _File, path: Path) -> None:
    if not COLOUR.match(file.accent):
        raise ConfigError(f"{path}: accent: '{file.accent}' is no colour", hint="Write it as #rrggbb.")
    if file.language not in languages():
        raise ConfigError(f"{path}: language: there is no '{file.language}'", hint=f"Use {', '.join(languages())}.")
    if not RESOLVER.match(file.resolver):
        raise ConfigError(f"{path}: resolver: '{file.resolver}' is no address", hint="Write it as https://id.example.")


def _logo(product: Path, name: str) -> bytes:
    """Return the logo as PNG of plain colours, whatever the file held besides."""
    path = product / name
    if path.resolve().parent != product.resolve():
        raise ConfigError(f"{path}: the logo must lie beside brand.toml", hint="Copy it there.")
    try:
        if path.stat().st_size > MAX_LOGO:
            raise ConfigError(f"{path}: the logo is longer than {MAX_LOGO} bytes", hint="Make it smaller.")
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_LOGO_PIXELS:
                raise ConfigError(f"{path}: the logo has too many pixels", hint="Make it smaller.")
            flat = Image.new("RGB", picture.size, "white")
            shown = picture.convert("RGBA")
            flat.paste(shown, mask=shown)
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(f"{path}: the logo can't be read: {error}", hint="Use a PNG or JPEG.") from error
    written = BytesIO()
    flat.save(written, "PNG")
    return written.getvalue()

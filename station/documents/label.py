"""Labels as ZPL, from templates that are data.

Every value that a template prints passes through `^FH_` hex escapes, whatever it holds: on a Zebra a bare `~` or `^`
starts a command, so `400 V 3~ N PE` would print as `400 V 3`. Templates therefore write each value inside
`^FH_^FD{{ ... }}^FS` under `^CI28` (UTF-8), and need no filter for it.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from station.errors import ConfigError
from station.model import UnitRecord

LABELS = Path(__file__).resolve().parents[2] / "templates" / "labels"
"""Where the label templates live: `<name>.zpl`."""
NARROWEST = 0.34
"""Narrowest legible font width as a share of its height; text that needs less is refused, not squeezed."""
ADVANCES = ((" ijlftrI.,/():;!'|", 0.34), ("abcdefghkosuvxyznpqJLEFTCSZ0123456789", 0.52), ("mMwW-+%@~=<>", 1.0))
"""Advance of the glyphs of Zebra's scalable font 0 as a share of its width parameter, measured, rounded up."""
OTHER_ADVANCE = 0.65
MAX_FIELD = 200
"""Characters of a field; longer ones are a mistake in the data."""
GLYPHS = ("cp1252", "cp1250")
"""Code pages whose characters font 0 has (ZPL `^CI27`, `^CI31`)."""
SHORTEN = "Shorten the value."
NOTHING: Mapping[str, object] = MappingProxyType({})

_PLAIN = re.compile(r"[A-Za-z0-9 .,:;()/+*=<>%#&@!?'\"|\[\]{}$-]")
_CODE = re.compile(r"SN:([A-Z0-9-]{4,25})(?::([2-9]|[1-9][0-9]))?")
_OTHER_CODE = re.compile(r"LB:([A-Z0-9-]{4,25}):([A-Z0-9]{1,8})(?::([2-9]|[1-9][0-9]))?")
_LABEL = re.compile(rb"\s*\^XA(?:(?!\^XA|\^XZ|\^PQ|~).)*\^XZ\s*", re.DOTALL)


@dataclass(frozen=True)
class ScannedLabel:
    """What the code on a label says."""

    serial: str
    copy: int
    """1 for the first label; a higher one replaced a voided label."""
    mark: str = ""
    """Which label of the unit it is, such as the letter of an outlet; empty for the rating plate."""


def label_code(record: UnitRecord, copy: int = 1) -> str:
    """Return the text of the code on a unit label: `SN:<serial>`, with `:<copy>` after it from the second copy on.

    The prefix tells a scanned label from a serial that was typed or scanned from a work order; the copy tells a living
    label from a voided one. All of it is in QR's alphanumeric set.
    """
    return f"SN:{record.serial}" if copy == 1 else f"SN:{record.serial}:{copy}"


def mark_code(record: UnitRecord, mark: str, copy: int = 1) -> str:
    """Return the text of the code on any other label of a unit: `LB:<serial>:<mark>`, then the copy as on the plate."""
    return f"LB:{record.serial}:{mark}" if copy == 1 else f"LB:{record.serial}:{mark}:{copy}"


def scanned_label(text: str) -> ScannedLabel | None:
    """Return what a scanned label is of, or None for any other text."""
    if found := _CODE.fullmatch(text):
        return ScannedLabel(found[1], int(found[2] or 1))
    if found := _OTHER_CODE.fullmatch(text):
        return ScannedLabel(found[1], int(found[3] or 1), found[2])
    return None


def parse_label_code(text: str) -> str | None:
    """Return the serial of a scanned label, or None for any other text."""
    scanned = scanned_label(text)
    return scanned.serial if scanned else None


def render_label(
    record: UnitRecord,
    template: str = "unit",
    copy: int = 1,
    folder: Path = LABELS,
    text: str = "",
    more: Mapping[str, object] = NOTHING,
) -> bytes:
    """Return the ZPL of one label; the same input gives the same bytes.

    Args:
        record: What is printed.
        template: Name of a file in the folder, without `.zpl`.
        copy: 1 to 99; from 2 on the label says so.
        folder: Where the templates live.
        text: The template itself, as a recipe holds it; empty reads it from the folder.
        more: What the template may print beside `unit`, `copy` and `code`, or another `code`.

    Raises:
        ConfigError: The template is missing or wrong, or a value cannot be printed.
    """
    if not 1 <= copy <= 99:
        raise ConfigError(f"label {template}: copy {copy} is outside 1 to 99")
    try:
        page = _template(text, template, folder)
        known = {"unit": record, "copy": copy, "code": label_code(record, copy), **more}
        zpl = page.render(known).encode()
    except TemplateNotFound as error:
        there = ", ".join(sorted(path.stem for path in folder.glob("*.zpl")))
        raise ConfigError(f"label template {error.name} is not in {folder}; known: {there}") from error
    except TemplateError as error:
        raise ConfigError(f"label template {template}.zpl: {error}", hint="Correct the label template.") from error
    if not _LABEL.fullmatch(zpl):
        problem = "must print exactly one label: one ^XA … ^XZ, without ^PQ and ~ commands"
        raise ConfigError(f"label template {template}.zpl: {problem}", hint="Correct the label template.")
    return zpl


def escape(value: object) -> str:
    """Return a value as the data of a `^FH_^FD` field: anything but plain ASCII becomes `_XX` of its UTF-8 bytes.

    Raises:
        ConfigError: The value has control characters, letters that a label printer has not, or is too long.
    """
    text = unicodedata.normalize("NFC", str(value))
    if len(text) > MAX_FIELD:
        raise ConfigError(f"label value {text[:20]!r}… has more than {MAX_FIELD} characters", hint=SHORTEN)
    if not text.isprintable():
        raise ConfigError(f"label value {text!r} has characters that cannot be printed", hint="Correct the value.")
    missing = next((char for char in text if not has_glyph(char)), None)
    if missing is not None:
        name = unicodedata.name(missing, f"U+{ord(missing):04X}")
        raise ConfigError(f"label value {text!r}: label printers have no {name}", hint="Write it in Latin letters.")
    return "".join(char if _PLAIN.match(char) else "".join(f"_{byte:02X}" for byte in char.encode()) for char in text)


def has_glyph(char: str) -> bool:
    """Tell whether font 0 of every printer has a character: those of Western and Central European code pages.

    What a printer lacks comes out as a gap or a box, which nobody sees before the customer does.
    """
    return any(_encodes(char, page) for page in GLYPHS)


def _encodes(char: str, page: str) -> bool:
    try:
        char.encode(page)
    except UnicodeEncodeError:
        return False
    return True


def fit(text: str, height: int, room: int) -> int:
    """Return the font width in dots with which `text` of font 0 at `height` stays within `room` dots.

    Raises:
        ConfigError: The text would have to be narrower than is legible.
    """
    advance = sum(next((share for glyphs, share in ADVANCES if char in glyphs), OTHER_ADVANCE) for char in text)
    width = min(height, int(room / max(advance, 1)))
    if width < height * NARROWEST:
        raise ConfigError(f"label value {text!r} is too long for its place", hint=SHORTEN)
    return width


@lru_cache(maxsize=64)
def _from_text(text: str, folder: Path) -> Template:
    """Return a template of a recipe, compiled once: units of one order have the same."""
    return _environment(folder).from_string(text)


def _template(text: str, name: str, folder: Path) -> Template:
    return _from_text(text, folder) if text else _environment(folder).get_template(f"{name}.zpl")


def _environment(folder: Path) -> ImmutableSandboxedEnvironment:
    """Return the template engine: undefined names are errors and every printed value is escaped."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fit"] = fit
    return environment

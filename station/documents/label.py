"""Labels as ZPL, from templates that are data.

Every value that a template prints passes through `^FH_` hex escapes, whatever it holds: on a Zebra a bare `~` or `^`
starts a command, so `400 V 3~ N PE` would print as `400 V 3`. Templates therefore write each value inside
`^FH_^FD{{ ... }}^FS` under `^CI28` (UTF-8), and need no filter for it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
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

_PLAIN = re.compile(r"[A-Za-z0-9 .,:;()/+*=<>%#&@!?'\"|\[\]{}$-]")
_CODE = re.compile(r"SN:([A-Z0-9-]{4,25})(?::([2-9]|[1-9][0-9]))?")
_LABEL = re.compile(rb"\s*\^XA(?:(?!\^XA|\^XZ|\^PQ|~).)*\^XZ\s*", re.DOTALL)


@dataclass(frozen=True)
class ScannedLabel:
    """What the code on a unit label says."""

    serial: str
    copy: int
    """1 for the first label; a higher one replaced a voided label."""


def label_code(record: UnitRecord, copy: int = 1) -> str:
    """Return the text of the code on a unit label: `SN:<serial>`, with `:<copy>` after it from the second copy on.

    The prefix tells a scanned label from a serial that was typed or scanned from a work order; the copy tells a living
    label from a voided one. All of it is in QR's alphanumeric set.
    """
    return f"SN:{record.serial}" if copy == 1 else f"SN:{record.serial}:{copy}"


def scanned_label(text: str) -> ScannedLabel | None:
    """Return serial and copy of a scanned unit label, or None for any other text."""
    found = _CODE.fullmatch(text)
    return ScannedLabel(found[1], int(found[2] or 1)) if found else None


def parse_label_code(text: str) -> str | None:
    """Return the serial of a scanned unit label, or None for any other text."""
    scanned = scanned_label(text)
    return scanned.serial if scanned else None


def render_label(record: UnitRecord, template: str = "unit", copy: int = 1, folder: Path = LABELS) -> bytes:
    """Return the ZPL of one label; the same input gives the same bytes.

    Args:
        record: What is printed.
        template: Name of a file in the folder, without `.zpl`.
        copy: 1 to 99; from 2 on the label says so.
        folder: Where the templates live.

    Raises:
        ConfigError: The template is missing or wrong, or a value cannot be printed.
    """
    if not 1 <= copy <= 99:
        raise ConfigError(f"label {template}: copy {copy} is outside 1 to 99")
    try:
        page = _environment(folder).get_template(f"{template}.zpl")
        zpl = page.render(unit=record, copy=copy, code=label_code(record, copy)).encode()
    except TemplateNotFound as error:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.zpl")))
        raise ConfigError(f"label template {error.name} is not in {folder}; known: {known}") from error
    except TemplateError as error:
        raise ConfigError(f"label template {template}.zpl: {error}", hint="Correct the label template.") from error
    if not _LABEL.fullmatch(zpl):
        problem = "must print exactly one label: one ^XA … ^XZ, without ^PQ and ~ commands"
        raise ConfigError(f"label template {template}.zpl: {problem}", hint="Correct the label template.")
    return zpl


def escape(value: object) -> str:
    """Return a value as the data of a `^FH_^FD` field: anything but plain ASCII becomes `_XX` of its UTF-8 bytes.

    Raises:
        ConfigError: The value has control characters or is too long.
    """
    text = str(value)
    if len(text) > MAX_FIELD:
        raise ConfigError(f"label value {text[:20]!r}… has more than {MAX_FIELD} characters")
    if not text.isprintable():
        raise ConfigError(f"label value {text!r} has characters that cannot be printed")
    return "".join(char if _PLAIN.match(char) else "".join(f"_{byte:02X}" for byte in char.encode()) for char in text)


def fit(text: str, height: int, room: int) -> int:
    """Return the font width in dots with which `text` of font 0 at `height` stays within `room` dots.

    Raises:
        ConfigError: The text would have to be narrower than is legible.
    """
    advance = sum(next((share for glyphs, share in ADVANCES if char in glyphs), OTHER_ADVANCE) for char in text)
    width = min(height, int(room / max(advance, 1)))
    if width < height * NARROWEST:
        raise ConfigError(f"label value {text!r} is too long for its place", hint="Shorten the value.")
    return width


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

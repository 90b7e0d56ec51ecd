"""The labels of a unit, and the proof of each before it is sent: drawn, decoded, compared with what it has to say.

Content comes from the unit's record alone. The one exception is the secret on the inside label, which is handed in for
the print and stands as dots everywhere else: in previews, and in what the digest in the record is taken of.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from station.documents.label import LABELS, label_code, mark_code, render_label
from station.documents.label_picture import CORRECT, Picture, draw
from station.documents.label_scale import BASE, scaled
from station.errors import ConfigError
from station.identifiers.cartons import is_sscc
from station.model import UnitRecord

DOT = "•"
SECRET_TITLES = {
    "pin": "PIN",
    "ble-pin": "Bluetooth PIN",
    "claim": "Claim code",
    "wifi": "Wi-Fi password",
    "web": "Web password",
}
"""What the inside label calls each kind of secret."""
_BARCODE = re.compile(rb"\^B([QCX])[^^]*(?:\^FH_)?\^FD([^^]*)\^FS")
_CODE = re.compile(rb"\^B[^Y]")
"""Begins a code of any kind; `^BY` sets how wide bars are."""
_HEX = re.compile(rb"_([0-9A-F]{2})")
_BEGINNINGS = {b"Q": b"MA,", b"C": b">;>8", b"X": b"!1"}
"""What stands before the data of a code: QR's level and mode, the start and FNC1 of GS1-128, FNC1 of DataMatrix."""


class Sort(StrEnum):
    """What a label is for; at most one template of each."""

    UNIT = "unit"
    """The rating plate: its code is the unit's."""
    CONNECTOR = "connector"
    """One for each outlet (P02)."""
    INSIDE = "inside"
    """The secret, where only the owner sees it (F-J3)."""
    CARTON = "carton"


@dataclass(frozen=True)
class Piece:
    """One label of a unit."""

    sort: Sort
    text: str
    """The template, as the recipe holds it."""
    outlet: str = ""
    """Letter of the outlet it is for."""

    @property
    def name(self) -> str:
        """Return its name among the unit's labels, as records call it: `unit`, `connector-A`, `inside`, `carton`."""
        return f"{self.sort.value}-{self.outlet}" if self.outlet else self.sort.value

    @property
    def place(self) -> str:
        """Return where it goes, in the words of an instruction."""
        places = {Sort.UNIT: "on the unit", Sort.INSIDE: "inside the unit", Sort.CARTON: "on the carton"}
        return places.get(self.sort, f"beside outlet {self.outlet}")

    def code(self, record: UnitRecord, copy: int) -> str:
        """Return what a scan of it reads."""
        if self.sort is Sort.UNIT:
            return label_code(record, copy)
        marks = {Sort.INSIDE: "INSIDE", Sort.CARTON: "CARTON"}
        return mark_code(record, marks.get(self.sort, self.outlet), copy)


@dataclass(frozen=True)
class Secret:
    """What only the inside label shows."""

    kind: str
    text: str

    @property
    def hidden(self) -> str:
        """Return as many dots as it has characters."""
        return re.sub(r"[^-]", DOT, self.text)

    def __repr__(self) -> str:
        """Return a word in its place."""
        return "Secret(hidden)"


@dataclass(frozen=True)
class Print:
    """Which copy of a label, for which printer, and the secret if it shows one."""

    copy: int = 1
    dpi: int = BASE
    secret: Secret | None = None


@dataclass(frozen=True)
class CheckedLabel:
    """A label that was drawn and decoded, and says what it has to."""

    code: str
    """What its scan-back reads."""
    zpl: bytes
    """With the secret, if it shows one: for the printer and nobody else."""
    shown: bytes
    """The same with dots in place of the secret."""

    @property
    def sha256(self) -> str:
        """Return the digest for the record; of dots, as a short PIN could be found from its digest."""
        return sha256(self.shown).hexdigest()

    def __repr__(self) -> str:
        """Return its code alone."""
        return f"CheckedLabel({self.code})"


def pieces(record: UnitRecord, templates: Mapping[str, str]) -> tuple[Piece, ...]:
    """Return the labels of a unit in the order in which they are printed; `templates` are texts by their sort."""
    return tuple(piece for sort in Sort if sort in templates for piece in _of(sort, templates[sort], record))


def _of(sort: Sort, text: str, record: UnitRecord) -> Iterator[Piece]:
    if sort is Sort.CONNECTOR:
        yield from (Piece(sort, text, outlet.letter) for outlet in record.connectors)
    else:
        yield Piece(sort, text)


def piece_named(found: tuple[Piece, ...], name: str) -> Piece:
    """Return a label of a unit by its name.

    Raises:
        ConfigError: There is none of the name.
    """
    piece = next((piece for piece in found if piece.name == name), None)
    if piece is None:
        known = ", ".join(piece.name for piece in found)
        raise ConfigError(f"the unit has no label '{name[:40]}'", hint=f"It has: {known}.")
    return piece


def shipped_template(sort: Sort) -> str:
    """Return the template that comes with the software."""
    return (LABELS / f"{sort.value}.zpl").read_text(encoding="utf-8")


def checked_label(record: UnitRecord, piece: Piece, wanted: Print = Print()) -> CheckedLabel:
    """Render a label and prove it: nothing beyond its edges, every code decodes to its data, and one is its own.

    Raises:
        ConfigError: A value can't be printed whole, or the picture does not say what the label has to say.
    """
    code = piece.code(record, wanted.copy)
    shown = _rendered(record, piece, wanted, code, wanted.secret.hidden if wanted.secret else "")
    if wanted.secret is None:
        _prove(piece, draw(shown), printed_codes(shown), code)
        return CheckedLabel(code, shown, shown)
    made = CheckedLabel(code, _rendered_secret(record, piece, wanted, code), shown)
    _prove_secret(piece, made)
    return made


def printed_codes(zpl: bytes) -> list[str]:
    """Return the data of every code of a label, as its ZPL has them."""
    found = []
    for kind, field in _BARCODE.findall(zpl):
        data = _HEX.sub(lambda match: bytes.fromhex(match[1].decode()), field)
        found.append(data.removeprefix(_BEGINNINGS[kind]).decode())
    return found


def _prove(piece: Piece, picture: Picture, expected: list[str], code: str) -> None:
    if picture.spilled:
        raise ConfigError(f"label {piece.name}: something would be printed beyond its edge", hint=CORRECT)
    if code not in expected:
        raise ConfigError(f"label {piece.name}: it has no code {code}, so it can't be scanned back", hint=CORRECT)
    read = picture.codes()
    if sorted(read) != sorted(expected):
        raise ConfigError(f"label {piece.name}: a scanner reads {read}, not {expected}", hint=CORRECT)


def _prove_secret(piece: Piece, made: CheckedLabel) -> None:
    """Prove a label with its secret, which stands in no code and which no refusal repeats.

    Raises:
        ConfigError: It does not say what it has to say, or a code is made of the secret.
    """
    if any(map(_CODE.search, set(made.zpl.split(b"^FS")) - set(made.shown.split(b"^FS")))):
        raise ConfigError(f"label {piece.name}: a code has the secret, which stands in letters alone", hint=CORRECT)
    try:
        _prove(piece, draw(made.zpl), printed_codes(made.zpl), made.code)
    except (ConfigError, ValueError):
        message = f"label {piece.name}: something is beyond its edge, over a code or can't be scanned back"
        raise ConfigError(message, hint=CORRECT) from None


def _rendered(record: UnitRecord, piece: Piece, wanted: Print, code: str, secret: str) -> bytes:
    more: dict[str, object] = {"code": code}
    if piece.sort is Sort.CONNECTOR:
        more["outlet"] = next(outlet for outlet in record.connectors if outlet.letter == piece.outlet)
    if piece.sort is Sort.CARTON:
        demand_sscc(record.sscc)
    if piece.sort is Sort.INSIDE:
        if wanted.secret is None:
            raise ConfigError("the inside label has no secret to show", hint="Name the secret in the product.")
        more |= {"secret": secret, "secret_title": SECRET_TITLES.get(wanted.secret.kind, wanted.secret.kind)}
    return scaled(render_label(record, piece.sort.value, wanted.copy, text=piece.text, more=more), wanted.dpi)


def _rendered_secret(record: UnitRecord, piece: Piece, wanted: Print, code: str) -> bytes:
    """Render the label with its secret, which no refusal may repeat."""
    assert wanted.secret is not None  # noqa: S101 - for the type checker; the caller looked
    try:
        return _rendered(record, piece, wanted, code, wanted.secret.text)
    except ConfigError as error:
        if wanted.secret.text in error.message:
            message = f"label {piece.name}: the secret does not fit into its place"
            raise ConfigError(message, hint=CORRECT) from None
        raise


def demand_sscc(text: str) -> None:
    """Refuse what is no SSCC.

    Raises:
        ConfigError: It has not 18 digits, or its check digit is wrong.
    """
    if not is_sscc(text):
        raise ConfigError(f"'{text[:30]}' is no SSCC: its length or check digit is wrong", hint="Scan the carton.")

"""The labels of units, for whoever looks at them: which there are, what became of each, and its picture.

A released unit's labels are drawn again of the record that left with it, by the templates of its order; one that is at
a slot is shown as it was made there. A secret is dots in every picture.
"""

import json
from dataclasses import dataclass, field, replace

from station.catalog.bundle import load_bundle
from station.catalog.recipes import Recipe, load_recipe
from station.catalog.source import Folder
from station.clock import iso
from station.config import StationConfig
from station.documents.label_picture import draw
from station.documents.label_set import DOT, Piece, Print, Secret, Sort, checked_label, piece_named
from station.documents.label_set import pieces as all_pieces
from station.documents.label_shelf import LabelShelf
from station.errors import ConfigError, Defect, UnitError
from station.model import UnitRecord
from station.records import LabelRow, Records
from station.run import REGISTER
from station.steps import STEPS
from station.strict import parse

HIDDEN = 8
"""Dots that stand for a secret that nobody here knows."""


@dataclass(frozen=True)
class LabelOfUnit:
    """One label of a unit and what became of its latest copy."""

    name: str
    place: str
    code: str
    copy: int
    """0 for one that was never made."""
    state: str
    changed_at: str = ""
    reason: str = ""


@dataclass(frozen=True)
class LabelRoom:
    """The labels of this station's units."""

    config: StationConfig
    records: Records
    shelf: LabelShelf = field(default_factory=LabelShelf)
    """What the slots made lately."""

    def labels(self, serial: str) -> tuple[LabelOfUnit, ...]:
        """List the labels of a released unit.

        Raises:
            UnitError: There is no such unit, or it was not released yet.
            ConfigError: The recipe of its order can't be read.
        """
        record, history = self.record(serial), self.records.unit_history(serial)
        latest = {row.template: row for row in (history.labels if history else ())}
        return tuple(_told(piece, record, latest.get(piece.name)) for piece in self.pieces(record))

    def preview(self, serial: str, name: str = Sort.UNIT.value, dpi: int = 0) -> bytes:
        """Return the picture of a unit's label as PNG.

        Args:
            serial: The unit.
            name: One of its labels, such as `unit` or `connector-A`.
            dpi: Resolution of the printer; 0 for the station's.

        Raises:
            UnitError: There is no such unit, or it was not released and is at no slot.
            ConfigError: It has no such label, or the label can't be printed.
        """
        made = None if dpi else self.shelf.find(serial, name)
        return draw(self.shown(serial, name, dpi) if made is None else made).png()

    def shown(self, serial: str, name: str, dpi: int = 0) -> bytes:
        """Return the ZPL of a released unit's label, with dots in place of a secret.

        Raises:
            UnitError: There is no such unit, or it was not released yet.
            ConfigError: It has no such label, or the label can't be printed.
        """
        record = self.record(serial)
        piece = piece_named(self.pieces(record), name)
        rows = [row for row in self.records.living_labels(serial) if row.template == name]
        return checked_label(record, piece, self._print(record, piece, rows[0].copy if rows else 1, dpi)).shown

    def record(self, serial: str) -> UnitRecord:
        """Return the record that a unit left with.

        Raises:
            UnitError: There is no such unit, or it was not released yet.
        """
        passport = self.records.passport(serial)
        told = passport and self.records.sent_registration(REGISTER, serial, passport.revision)
        if not told:
            message = f"There is no released unit {serial} in these records."
            raise UnitError(Defect.WRONG_UNIT, message, hint="Check the serial number.")
        found = parse(UnitRecord, json.loads(told.body), f"record of {serial}")
        return replace(found, sscc=found.sscc or self.records.carton(serial))

    def pieces(self, record: UnitRecord) -> tuple[Piece, ...]:
        """Return the labels that the recipe of a unit's order gives it."""
        recipe = self._recipe(record.work_order)
        return all_pieces(record, {Sort.UNIT.value: recipe.label, **recipe.labels})

    def _print(self, record: UnitRecord, piece: Piece, copy: int, dpi: int) -> Print:
        hidden = None
        if piece.sort is Sort.INSIDE:
            hidden = Secret(self._recipe(record.work_order).product.inside.kind, DOT * HIDDEN)
        return Print(copy, dpi or self.config.labels.dpi, hidden)

    def _recipe(self, order: str) -> Recipe:
        """Return the recipe of an order, whether it may still be built or not."""
        found = self.records.order(order)
        if found is None:
            raise ConfigError(f"there is no work order {order}")
        if found.bundle:
            return load_bundle(self.config.catalog, found.bundle).recipe(STEPS)
        return load_recipe(Folder(self.config.catalog), found.recipe, STEPS)


def _told(piece: Piece, record: UnitRecord, row: LabelRow | None) -> LabelOfUnit:
    if row is None:
        return LabelOfUnit(piece.name, piece.place, piece.code(record, 1), 0, "never made")
    return LabelOfUnit(piece.name, piece.place, row.code, row.copy, row.state.value, iso(row.changed_at), row.reason)

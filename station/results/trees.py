"""Files of testers as plain trees of dictionaries, lists and texts, whatever they were written in; bounded before read.

CSV: `head` with the pairs above the header, `rows` by column name. JSON: as it is. XML: an element is a dictionary of
`@attribute`, `#text` and, for each name of children, the list of them; names are local, without namespace.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from station.errors import StationError
from station.results.formats import FileKind, Format

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_BYTES = 4 * 1024 * 1024
"""Largest file of results."""
MOST_DEPTH = 60
MOST_ROWS = 20_000
Tree = dict[str, Any]


def tree(content: bytes, layout: Format) -> Tree:
    """Return a file as a tree.

    Raises:
        StationError: It is too large, or not what the format says.
    """
    if len(content) > MOST_BYTES:
        raise unreadable(f"the file is larger than {MOST_BYTES} bytes")
    if not content.strip():
        raise unreadable("the file is empty")
    return READERS[layout.kind](content, layout)


def unreadable(reason: str) -> StationError:
    """Return the refusal of a whole file."""
    return StationError(f"Nothing was imported: {reason}.", hint="Look at the file, or correct the format.")


def _csv(content: bytes, layout: Format) -> Tree:
    lines = csv.reader(_text(content, layout).splitlines(), delimiter=layout.delimiter, strict=True)
    try:
        above = list(islice(lines, layout.header - 1))
        columns = [_cell(name) for name in next(lines, [])]
        rows = [_by_column(columns, line) for line in islice(lines, MOST_ROWS + 1) if any(line)]
    except csv.Error as error:
        raise unreadable(f"line {lines.line_num} is not CSV: {error}") from error
    if len(rows) > MOST_ROWS:
        raise unreadable(f"the file has more than {MOST_ROWS} rows")
    twins = {name for name in columns if name and columns.count(name) > 1}
    if twins or not any(columns):
        raise unreadable(f"line {layout.header} does not name columns, or names {sorted(twins)} twice")
    return {"head": {line[0].strip(): _cell(line[1]) for line in above if len(line) > 1}, "rows": rows}


def _by_column(columns: list[str], line: list[str]) -> Tree:
    """Return a row by the names of its columns; `#columns` tells whether it has as many as the header."""
    whole = len(line) >= len(columns) and not any(line[len(columns) :])
    return {"#whole": whole, **dict(zip(columns, map(_cell, line), strict=False))}


def _cell(text: str) -> str:
    """Return a cell without the formula by which testers keep a spreadsheet from changing it: `="00123"`."""
    text = text.strip()
    return text[2:-1] if text.startswith('="') and text.endswith('"') and len(text) > 2 else text


def _json(content: bytes, layout: Format) -> Tree:
    try:
        found = json.loads(_text(content, layout), parse_constant=str, object_pairs_hook=_no_twins)
    except RecursionError:
        raise unreadable("the JSON is nested too deep") from None
    except ValueError as error:
        raise unreadable(f"the file is not JSON: {error}") from error
    return {"items": found} if isinstance(found, list) else _dictionary(found)


def _dictionary(found: object) -> Tree:
    if not isinstance(found, dict):
        raise unreadable("the JSON is neither an object nor a list")
    return found


def _no_twins(pairs: Iterable[tuple[str, Any]]) -> Tree:
    """Refuse a key that stands twice: no reader could tell which one counts."""
    listed = list(pairs)
    found = dict(listed)
    if len(found) != len(listed):
        raise ValueError("a key stands twice in one object")
    return found


def _xml(content: bytes, layout: Format) -> Tree:
    del layout  # an XML file says its own encoding
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise unreadable("the XML has a document type or entities, which results never need") from None
    except (ParseError, ValueError, LookupError) as error:
        raise unreadable(f"the file is not XML: {error}") from error
    return _element(root, MOST_DEPTH)


def _element(element: "Element", depth: int) -> Tree:
    if depth == 0:
        raise unreadable(f"the XML is nested deeper than {MOST_DEPTH} elements")
    found: Tree = {f"@{_local(name)}": text.strip() for name, text in element.attrib.items()}
    if text := (element.text or "").strip():
        found["#text"] = text
    for child in element:
        found.setdefault(_local(child.tag), []).append(_element(child, depth - 1))
    return found


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _text(content: bytes, layout: Format) -> str:
    try:
        return content.decode(layout.encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        raise unreadable(f"the file is not {layout.encoding} text") from error


READERS: Mapping[FileKind, Callable[[bytes, Format], Tree]] = {
    FileKind.CSV: _csv,
    FileKind.JSON: _json,
    FileKind.XML: _xml,
}
"""How each kind of file is read."""

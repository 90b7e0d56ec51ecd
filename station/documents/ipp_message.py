"""Messages of the Internet Printing Protocol, as bytes and back.

An answer comes from whatever stands at an address: every length is checked, and what can't be read is refused whole.

Ref: RFC 8010 section 3 (encoding), RFC 8011 (operations, attributes, status codes).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

VERSION = b"\x02\x00"
MOST_ATTRIBUTES = 4000
Value = int | str | bytes
Attributes = Mapping[str, tuple[Value, ...]]


class Operation(IntEnum):
    """What is asked of a printer."""

    CREATE_JOB = 0x0005
    SEND_DOCUMENT = 0x0006
    CANCEL_JOB = 0x0008
    GET_JOB_ATTRIBUTES = 0x0009
    GET_JOBS = 0x000A
    GET_PRINTER_ATTRIBUTES = 0x000B


class Tag(IntEnum):
    """Delimiters and value types that we use."""

    OPERATION = 0x01
    JOB = 0x02
    END = 0x03
    PRINTER = 0x04
    INTEGER = 0x21
    BOOLEAN = 0x22
    ENUM = 0x23
    BEGIN_COLLECTION = 0x34
    END_COLLECTION = 0x37
    NAME = 0x42
    KEYWORD = 0x44
    URI = 0x45
    CHARSET = 0x47
    LANGUAGE = 0x48
    MIME = 0x49


LAST_DELIMITER = 0x0F
TEXTS = range(0x40, 0x4A)
"""Tags of values that are text, in one charset: UTF-8."""


@dataclass(frozen=True)
class Attribute:
    """One attribute of a request; all its values have one type."""

    tag: Tag
    name: str
    values: tuple[int | str, ...]


@dataclass(frozen=True)
class Reply:
    """An answer: its status, and groups of attributes by their tags, in their order."""

    status: int
    groups: tuple[tuple[int, Attributes], ...] = field(default=())

    @property
    def good(self) -> bool:
        """Tell whether the printer did what was asked."""
        return self.status < 0x0100

    def of(self, tag: Tag) -> tuple[Attributes, ...]:
        """Return all groups of a kind: one for a printer, one for each job."""
        return tuple(attributes for found, attributes in self.groups if found == tag)


def encode(operation: Operation, number: int, attributes: Sequence[Attribute], document: bytes = b"") -> bytes:
    """Return a request; charset and language go first, as the protocol demands."""
    first = (
        Attribute(Tag.CHARSET, "attributes-charset", ("utf-8",)),
        Attribute(Tag.LANGUAGE, "attributes-natural-language", ("en",)),
    )
    head = VERSION + struct.pack(">HIB", operation, number, Tag.OPERATION)
    return head + b"".join(map(_attribute, (*first, *attributes))) + bytes([Tag.END]) + document


def _attribute(attribute: Attribute) -> bytes:
    """Write an attribute; its second and further values have an empty name."""
    names = (attribute.name, *("" for _ in attribute.values[1:]))
    return b"".join(
        bytes([attribute.tag]) + _counted(name.encode()) + _counted(_value(attribute.tag, value))
        for name, value in zip(names, attribute.values, strict=True)
    )


def _value(tag: Tag, value: int | str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return struct.pack(">?", value) if tag is Tag.BOOLEAN else struct.pack(">i", value)


def _counted(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def decode(content: bytes, number: int) -> Reply:
    """Read the answer to request `number`; values inside of collections are left out.

    Raises:
        ValueError: It is no whole IPP message, or answers another request.
    """
    try:
        major, status, answered = struct.unpack_from(">BxHI", content)
        if major not in (1, 2) or answered != number:
            raise ValueError("not the answer that was asked for")
        return Reply(status, tuple(_groups(content)))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise ValueError("not a whole IPP message") from error


def _groups(content: bytes) -> Iterator[tuple[int, Attributes]]:
    """Yield the groups up to the end of attributes; one that is not ended is not whole."""
    position = 8
    while (tag := content[position]) != Tag.END:
        if tag > LAST_DELIMITER:
            raise ValueError("an attribute outside of a group")
        position, attributes = _group(content, position + 1)
        yield tag, attributes


def _group(content: bytes, position: int) -> tuple[int, Attributes]:
    found: dict[str, tuple[Value, ...]] = {}
    name, depth = "", 0
    for _ in range(MOST_ATTRIBUTES):
        tag = content[position]
        if tag <= LAST_DELIMITER:
            return position, found
        position, own_name = _take(content, position + 1)
        position, value = _take(content, position)
        if depth == 0 and own_name:
            name = own_name.decode()
            found[name] = ()
        depth += (tag == Tag.BEGIN_COLLECTION) - (tag == Tag.END_COLLECTION)
        if depth == 0 and tag != Tag.END_COLLECTION:
            found[name] = (*found.get(name, ()), _read(tag, value))
    raise ValueError("more attributes than a printer has")


def _take(content: bytes, position: int) -> tuple[int, bytes]:
    (length,) = struct.unpack_from(">H", content, position)
    end = position + 2 + length
    if end > len(content):
        raise ValueError("a value longer than the message")
    return end, content[position + 2 : end]


def _read(tag: int, value: bytes) -> Value:
    if tag in (Tag.INTEGER, Tag.ENUM):
        return int(struct.unpack(">i", value)[0])
    if tag == Tag.BOOLEAN:
        return int(struct.unpack(">?", value)[0])
    return value.decode() if tag in TEXTS else value

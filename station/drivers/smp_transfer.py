"""Moving images and files in pieces, always from the offset that the server names.

A lost answer costs one resend; after a pulled cable the server says how far it got; after a power cut it says zero.
"""

from collections.abc import Iterator
from hashlib import sha256

from smpclient.requests.file_management import FileDownload, FileUpload
from smpclient.requests.image_management import ImageUploadWrite

from station.clock import Deadline
from station.drivers.smp_errors import FILES, Refused
from station.drivers.smp_link import PATIENCE, SLOW, Link
from station.errors import Defect, LinkError, UnitError

LARGEST_FILE = 256 * 1024
RESTARTS = 4
"""How often an upload may start over, or stand still, before the device is given up."""
_BAD_OFFSET = 11
_LENGTH_BYTES = 2
"""What the length of a byte string grows by when it is filled."""


class ImageUpload:
    """One image on its way; `offset` is kept over a lost connection."""

    def __init__(self, image: bytes, number: int = 0) -> None:
        """Start from the beginning, or from where the server remembers this image; `number` is the image's there."""
        self._image, self._sha, self._number = image, sha256(image).digest(), number
        self.offset = 0
        self._setbacks = 0

    def run(self, link: Link, deadline: Deadline) -> Iterator[int]:
        """Send pieces until the server has all, yielding the bytes it has.

        Raises:
            UnitError: The device takes no more data, or the image arrived damaged.
            LinkError: The deadline passed.
        """
        while self.offset < len(self._image):
            if deadline.expired:
                raise LinkError(f"Writing the firmware took too long; {self.offset} of {len(self._image)} bytes done.")
            request = self._piece(link.largest_message)
            answer = link.ask(request, deadline, patience=PATIENCE if self.offset else SLOW)
            self._move_to(answer.off)
            if answer.match is False:
                raise UnitError(Defect.FLASH, "The firmware arrived damaged in the charger's flash memory.")
            yield self.offset

    def _piece(self, largest: int) -> ImageUploadWrite:
        empty = self._request(b"")
        room = largest - len(empty.BYTES) - _LENGTH_BYTES
        return self._request(self._image[self.offset : self.offset + room])

    def _request(self, data: bytes) -> ImageUploadWrite:
        if self.offset:
            return ImageUploadWrite(off=self.offset, data=data)
        return ImageUploadWrite(off=0, data=data, image=self._number, len=len(self._image), sha=self._sha)

    def _move_to(self, offset: int | None) -> None:
        if offset is None or not 0 <= offset <= len(self._image):
            raise UnitError(Defect.PROTOCOL, "The charger answers with an offset outside the firmware image.")
        if offset <= self.offset:
            self._setbacks += 1
        if self._setbacks > RESTARTS:
            raise UnitError(Defect.FLASH, f"The charger does not take the firmware beyond byte {offset}.")
        self.offset = offset


def download(link: Link, path: str, deadline: Deadline) -> bytes:
    """Read a whole file.

    Raises:
        Refused: There is no such file, or it can't be read.
        UnitError: It is larger than 256 KiB, or the pieces do not fit together.
    """
    first = link.ask(FileDownload(off=0, name=path), deadline)
    size, content = first.len, bytearray(first.data)
    if size is None or not 0 <= size <= LARGEST_FILE:
        raise UnitError(Defect.PROTOCOL, f"The charger says that {path} is larger than {LARGEST_FILE} bytes.")
    while len(content) < size:
        piece = link.ask(FileDownload(off=len(content), name=path), deadline)
        if piece.off != len(content) or not piece.data:
            raise UnitError(Defect.PROTOCOL, f"The charger skips parts of {path}.")
        content += piece.data
    if len(content) != size:
        raise UnitError(Defect.PROTOCOL, f"The charger sends more of {path} than it has.")
    return bytes(content)


def upload(link: Link, path: str, content: bytes, deadline: Deadline) -> None:
    """Write a whole file, from its beginning.

    Raises:
        Refused: The device does not take the file.
        UnitError: The device takes no more data.
    """
    offset, setbacks = 0, 0
    while True:
        piece = _file_piece(link.largest_message, path, content, offset)
        taken = _sent(link, piece, deadline)
        if taken == len(content):
            return
        setbacks += not offset < taken < len(content)
        if setbacks > RESTARTS:
            raise UnitError(Defect.CONFIGURATION, f"The charger does not take {path} beyond byte {offset}.")
        offset = taken if offset < taken < len(content) else 0


def _file_piece(largest: int, path: str, content: bytes, offset: int) -> FileUpload:
    size = None if offset else len(content)
    room = largest - len(FileUpload(off=offset, data=b"", name=path, len=size).BYTES) - _LENGTH_BYTES
    if room <= 0:
        raise ValueError(f"{path}: the name leaves no room for data")
    return FileUpload(off=offset, data=content[offset : offset + room], name=path, len=size)


def _sent(link: Link, piece: FileUpload, deadline: Deadline) -> int:
    """Send one piece and return how much of the file the device holds then."""
    try:
        return link.ask(piece, deadline).off
    except Refused as refused:
        # The answer to the first attempt was lost: the device has the piece already and says how far it is.
        if refused.is_one_of(FILES, _BAD_OFFSET) and refused.length == piece.off + len(piece.data):
            return refused.length
        raise

"""Uploaded files of work orders: kept on disk between preview and import, under their SHA-256."""

import threading
from hashlib import sha256
from pathlib import Path

from station.errors import ConfigError, Service, ServiceError
from station.orders.files import safe_name
from station.orders.importing import Preview, examined
from station.orders.making import Office
from station.outbox import write_whole
from station.person import Person
from station.records import WorkOrder
from station.web.orders import UploadedOrder, UploadedRow, UploadView

FOLDER = "uploads"
MOST_KEPT = 20
"""Files that wait for their import; the oldest goes when another comes."""


class Uploads:
    """Files that people upload at one station."""

    def __init__(self, office: Office, folder: Path) -> None:
        """Keep files below a folder; it is made if it is not there.

        Args:
            office: Where orders are made; of these uploads alone.
            folder: The drop folder for work orders.
        """
        self._office, self._folder = office, folder / FOLDER
        self._busy = threading.Lock()

    def preview(self, name: str, content: bytes) -> UploadView:
        """Keep a file and return what it would do.

        Raises:
            ConfigError: It can't be read as a whole.
            ServiceError: It can't be kept, or the records are away.
        """
        with self._busy:
            path = self._kept(name, content)
            with examined(self._office, path, name) as examination:
                return _view(examination.preview)

    def commit(self, sha256: str, person: Person) -> str:
        """Import a file that was looked at, and return what was done in one sentence.

        Raises:
            ConfigError: A row is refused, or there is no such file any more; nothing was imported.
            ServiceError: Records or ledger can't be written.
        """
        with self._busy:
            path = next(iter(self._folder.glob(f"{sha256}-*")), None)
            if path is None:
                raise ConfigError("that file does not wait here any more", hint="Upload it again.")
            with examined(self._office, path, path.name.removeprefix(f"{sha256}-")) as examination:
                sentence = examination.commit(person.id).sentence
            path.unlink()
            return sentence

    def _kept(self, name: str, content: bytes) -> Path:
        """Write a file whole, and let go of the oldest ones."""
        path = self._folder / f"{sha256(content).hexdigest()}-{safe_name(name)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            waiting = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime)
            for old in waiting[:-MOST_KEPT]:
                old.unlink()
        except OSError as error:
            message = f"The upload can't be kept in {self._folder}: {error.strerror}."
            hint = "Give the station space and the right to write there."
            raise ServiceError(Service.DATABASE, message, hint=hint, stops_line=False) from error
        return path


def _view(preview: Preview) -> UploadView:
    return UploadView(
        name=preview.name,
        sha256=preview.sha256,
        sentence=preview.sentence,
        new=preview.new,
        same=preview.same,
        refused=preview.refused,
        orders=tuple(_order(order) for order in preview.orders),
        problems=tuple(UploadedRow(row.line, row.order, row.sentence) for row in preview.problems),
    )


def _order(order: WorkOrder) -> UploadedOrder:
    block = order.serials
    serials = f"{block.text(block.first)} to {block.text(block.last)}"
    return UploadedOrder(order.id, order.product, order.quantity, order.customer, serials)

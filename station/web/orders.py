"""Files of work orders that a line lead uploads: looked at first, then imported whole or not at all.

The file is the body of the request, as it is; what was looked at is imported by its SHA-256, so that nobody imports
another file than the one whose preview they saw.

    curl --data-binary @orders.csv "http://HOST:8080/api/orders/preview?name=orders.csv"
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from station.model import ScanReply
from station.person import Person
from station.web.paper import Papers, signed_in

FileName = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f/\\]+$")]


@dataclass(frozen=True)
class UploadedRow:
    """A row that is refused."""

    line: int
    order: str
    sentence: str


@dataclass(frozen=True)
class UploadedOrder:
    """An order that the file makes."""

    id: str
    product: str
    quantity: int
    customer: str
    serials: str
    """First and last serial number."""


@dataclass(frozen=True)
class UploadView:
    """What an uploaded file would do."""

    name: str
    sha256: str
    sentence: str
    new: int
    same: int
    refused: int
    orders: tuple[UploadedOrder, ...]
    problems: tuple[UploadedRow, ...]
    """The first refused rows."""

    @property
    def importable(self) -> bool:
        """Tell whether there is something to import, and nothing against it."""
        return not self.refused and self.new > 0


class OrderUploads(Protocol):
    """What takes the files; every method may be called from any thread."""

    def preview(self, name: str, content: bytes) -> UploadView:
        """Keep a file and return what it would do.

        Raises:
            ConfigError: It can't be read as a whole.
            ServiceError: It can't be kept, or the records are away.
        """
        ...

    def commit(self, sha256: str, person: Person) -> str:
        """Import a file that was looked at, and return what was done in one sentence.

        Raises:
            ConfigError: A row is refused, or there is no such file any more; nothing was imported.
            ServiceError: Records or ledger can't be written.
        """
        ...


class ImportBody(BaseModel):
    """Body of an import: which file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def order_routes(uploads: OrderUploads, papers: Papers) -> APIRouter:
    """Return the way in for files of work orders."""
    routes = APIRouter()

    @routes.get("/orders/upload", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        return papers.draw(request, "upload.html", {})

    @routes.post("/api/orders/preview")
    async def preview(request: Request, name: FileName = "orders.csv") -> dict[str, object]:
        view = await run_in_threadpool(uploads.preview, name, await request.body())
        return {**vars(view), "importable": view.importable, "sentence": papers.language(request).say(view.sentence)}

    @routes.post("/api/orders/import")
    def commit(body: ImportBody, request: Request) -> ScanReply:
        return papers.reply(request, uploads.commit(body.sha256, signed_in(request)))

    return routes

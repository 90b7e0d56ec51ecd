"""The page *Exports*: tables and documents for quality, made beside the line, each with its signed manifest."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from station.model import ScanReply
from station.web.paper import Papers, signed_in

Word = Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9._/-]*$")]
FileName = Annotated[str, InPath(max_length=200, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
FORMATS = {
    "csv": "CSV, for any spreadsheet",
    "xlsx": "Excel workbook",
    "parquet": "Parquet, for statistics",
    "jsonl": "JSON lines, for programs",
    "epcis": "EPCIS 2.0 events, for partners",
    "hbom": "CycloneDX bills of materials",
    "attestation": "In-toto test results, signed",
}


class Asked(BaseModel):
    """What is to be exported."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["csv", "xlsx", "parquet", "jsonl", "epcis", "hbom", "attestation"]
    table: Literal["units", "measurements"] = "units"
    order: Word = ""
    product: Word = ""
    outcome: Literal["", "PASS", "FAIL", "ERROR", "ABORTED"] = ""
    month: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}|last)?$")] = ""


@dataclass(frozen=True)
class ExportJob:
    """An export under way, or the last one."""

    name: str = ""
    who: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    running: bool = False


@dataclass(frozen=True)
class ExportFile:
    """A file that was made."""

    name: str
    bytes: int
    at: datetime


class Exports(Protocol):
    """Where exports are made."""

    def begin(self, asked: Asked, who: str) -> str:
        """Begin an export, and return the name of its file."""
        ...

    def job(self) -> ExportJob:
        """Return what is being made, or was made last."""
        ...

    def files(self) -> tuple[ExportFile, ...]:
        """List the newest files, the newest first."""
        ...

    def made_since(self, day: str) -> tuple[ExportFile, ...]:
        """List all files that were made from a day or time on, the newest first; of any time where none is given.

        Raises:
            ConfigError: It is no day or time.
        """
        ...

    def path(self, name: str) -> Path | None:
        """Return where a file lies."""
        ...


def export_routes(exports: Exports, papers: Papers) -> APIRouter:
    """Return the page's routes."""
    routes = APIRouter()

    @routes.get("/exports", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        values = {"job": exports.job(), "files": exports.files(), "formats": FORMATS}
        return papers.draw(request, "exports.html", values)

    @routes.post("/api/exports")
    def begin(body: Asked, request: Request) -> ScanReply:
        name = exports.begin(body, signed_in(request).id)
        return papers.reply(request, f"{name} is being made.")

    @routes.get("/api/exports/{name}")
    def file(name: FileName) -> FileResponse:
        path = exports.path(name)
        if path is None:
            raise HTTPException(404, "There is no such export.")
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    return routes

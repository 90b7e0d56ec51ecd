"""The interface for other programs: read-only, described by OpenAPI, each with a token of its own and its scopes.

    curl -H "Authorization: Bearer $TOKEN" "http://HOST:8080/api/v1/search?q=1EMH0012345678"
    curl -H "Authorization: Bearer $TOKEN" http://HOST:8080/api/v1/units/AC22-000017
    curl -H "Authorization: Bearer $TOKEN" "http://HOST:8080/api/v1/recall?lot=K-00017&limit=1000"
    curl -H "Authorization: Bearer $TOKEN" "http://HOST:8080/api/v1/exports?since=2026-11-01"
    curl -H "Authorization: Bearer $TOKEN" -O -J http://HOST:8080/api/v1/exports/units-2026-10.csv

A list that does not end in one answer has `next`; what follows comes with `cursor=` that. Days begin at midnight UTC.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, create_model

from station.clock import iso
from station.errors import ConfigError
from station.records import RecalledUnit
from station.web.exports import ExportFile, Exports, FileName
from station.web.paper import Papers, as_sentence
from station.web.search import Seeker, each_once

MOST_HITS, MOST_UNITS = 200, 1_000
LONGEST_CURSOR = 25
BEARER = HTTPBearer(auto_error=False, description="A token of 'station token create'")
Serial = Annotated[str, InPath(pattern=r"^[A-Z0-9-]{4,25}$")]
Shown = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
MANIFEST = ".manifest.json"
NO_WORDS = ("limit", "cursor")
Result = TypeVar("Result")


class Hit(BaseModel):
    """Something that bears what was looked for."""

    kind: str
    value: str
    unit: str
    order: str
    state: str
    exact: bool
    ended: bool


class SearchAnswer(BaseModel):
    """What was found."""

    unit: str
    """The one unit that bears exactly this."""
    more: bool
    hits: list[Hit]


FIELDS: dict[str, Any] = {name: (kind, ...) for name, kind in RecalledUnit.__annotations__.items()}
Unit = create_model("Unit", **FIELDS)


class RecallAnswer(BaseModel):
    """Units that a recall found."""

    count: int
    units: list[Unit]  # type: ignore[valid-type]  # a model that is made of the record's own fields
    next: str
    unknown: list[str]
    unjudged: int


class ListedExport(BaseModel):
    """A file that was made."""

    name: str
    bytes: int
    at: str
    manifest: str
    """Name of its signed manifest, to be fetched in the same way."""


class ExportsAnswer(BaseModel):
    """Files that were made, the newest first."""

    files: list[ListedExport]
    next: str


class RecallBody(BaseModel):
    """A question that is too long for an address, such as ten thousand serial numbers."""

    model_config = ConfigDict(extra="forbid")
    words: dict[str, str]
    cursor: Annotated[str, Field(max_length=LONGEST_CURSOR)] = ""
    limit: Annotated[int, Field(ge=1, le=MOST_UNITS)] = 100


class Refusal(BaseModel):
    """Why a request was not answered."""

    accepted: bool
    sentence: str
    slot: str


class Reader(Seeker, Protocol):
    """What other programs read; every method may be called from any thread."""

    def unit(self, serial: str) -> bytes | None:
        """Return everything that is known of a unit as JSON, or None where there is none."""
        ...

    def scopes(self, token: str) -> Collection[str] | None:
        """Return what a token is good for, or None for one that counts no longer, or never did."""
        ...


def api_routes(reader: Reader, exports: Exports, papers: Papers) -> APIRouter:
    """Return the interface's routes."""
    del papers  # programs are answered in English
    routes = APIRouter(prefix="/api/v1", responses=_REFUSALS)
    searcher, looker, recaller = (_demands(reader, scope) for scope in ("search", "units", "recall"))

    @routes.get("/search", response_model=SearchAnswer, dependencies=[searcher])
    def search(
        q: Annotated[str, Query(max_length=200)], limit: Annotated[int, Query(ge=1, le=MOST_HITS)] = 50
    ) -> JSONResponse:
        """Find units and orders by a number, or how it begins."""
        found = _judged(lambda: reader.find(q, limit))
        hits = [vars(hit) for hit in found.hits]
        return JSONResponse({"unit": found.unit, "more": found.more, "hits": hits})

    @routes.get("/units/{serial}", dependencies=[looker], response_model=dict[str, Any])
    def unit(serial: Serial) -> Response:
        """Return everything that is known of one unit."""
        content = reader.unit(serial)
        if content is None:
            raise HTTPException(404, f"There is no unit {serial}.")
        return Response(content, media_type="application/json")

    def recalled(words: Mapping[str, str], cursor: str, limit: int) -> JSONResponse:
        found = _judged(lambda: reader.recall(words, cursor, limit))
        units = [unit._asdict() for unit in found.units]
        told = {"count": found.count, "units": units, "next": found.next, "unknown": list(found.unknown)}
        return JSONResponse(told | {"unjudged": found.unjudged})

    described = {"parameters": [_parameter(name, meaning) for name, meaning in reader.words.items()]}

    @routes.get("/recall", response_model=RecallAnswer, dependencies=[recaller], openapi_extra=described)
    def recall(
        request: Request,
        cursor: Annotated[str, Query(max_length=LONGEST_CURSOR)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_UNITS)] = 100,
    ) -> JSONResponse:
        """Find the units of which all words are true; without a word all units."""
        asked = _judged(lambda: each_once(request.query_params.multi_items()))
        words = {name: text for name, text in asked.items() if name not in NO_WORDS}
        return recalled(words, cursor, limit)

    @routes.post("/recall", response_model=RecallAnswer, dependencies=[recaller])
    def recall_many(body: RecallBody) -> JSONResponse:
        """Do the same for a question that is too long for an address."""
        return recalled(body.words, body.cursor, body.limit)

    _add_exports(routes, exports, _demands(reader, "exports"))

    @routes.get("/openapi.json", include_in_schema=False)
    def description() -> dict[str, Any]:
        return get_openapi(title="Charger station", version="1", routes=routes.routes, description=__doc__)

    return routes


def _add_exports(routes: APIRouter, exports: Exports, getter: Any) -> None:
    """Add the addresses under which exports that were made are listed and fetched."""

    @routes.get("/exports", response_model=ExportsAnswer, dependencies=[getter])
    def listed(
        since: Annotated[str, Query(max_length=40, description="Made at this time or later")] = "",
        cursor: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_UNITS)] = 100,
    ) -> JSONResponse:
        """List the exports that there are, the newest first; people and schedules had them made."""
        found = _judged(lambda: exports.made_since(since))
        manifests = {row.name for row in found if row.name.endswith(MANIFEST)}
        files = [row for row in found if row.name not in manifests]
        names = [row.name for row in files]
        if cursor and cursor not in names:
            raise HTTPException(422, "The file that cursor names is not there any more. Begin without it.")
        first = names.index(cursor) + 1 if cursor else 0
        page = [_listed(row, manifests) for row in files[first : first + limit]]
        return JSONResponse({"files": page, "next": page[-1]["name"] if first + limit < len(files) else ""})

    @routes.get("/exports/{name}", dependencies=[getter], response_class=FileResponse)
    def file(name: FileName) -> FileResponse:
        """Give an export, or its manifest, as it was made."""
        path = exports.path(name)
        if path is None:
            raise HTTPException(404, "There is no such export.")
        return FileResponse(path, media_type="application/octet-stream", filename=name)


def _listed(row: ExportFile, manifests: Collection[str]) -> dict[str, Any]:
    manifest = f"{row.name}{MANIFEST}"
    return {
        "name": row.name, "bytes": row.bytes, "at": iso(row.at), "manifest": manifest if manifest in manifests else "",
    }  # fmt: skip


_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "The token is missing, wrong, revoked or has ended"},
    403: {"model": Refusal, "description": "The token is not good for this"},
    404: {"model": Refusal, "description": "There is no such unit or file"},
    422: {"model": Refusal, "description": "A word says something that nothing can be"},
    503: {"model": Refusal, "description": "The records can't be read now"},
}


def _demands(reader: Reader, scope: str) -> Any:
    """Return the dependency that admits a token of a scope, and nothing else."""

    def admitted(shown: Shown) -> None:
        scopes = reader.scopes(shown.credentials) if shown else None
        if scopes is None:
            raise HTTPException(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        if scope not in scopes:
            raise HTTPException(403, "This token is not good for that.")

    return Depends(admitted)


def _judged(ask: Callable[[], Result]) -> Result:
    """Return an answer, or say why the question has none."""
    try:
        return ask()
    except ConfigError as error:
        raise HTTPException(422, as_sentence(error)) from error


def _parameter(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": meaning, "schema": {"type": "string"}}

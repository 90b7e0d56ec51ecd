"""The documents of units: passports and labels, for people who are signed in."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as InPath

from station.web import Documents, Find
from station.web.paper import Papers

Serial = Annotated[str, InPath(pattern=r"^[A-Z0-9-]{4,25}$")]


def document_routes(documents: Documents, papers: Papers) -> APIRouter:
    """Return the addresses of units' documents."""
    del papers  # they are for one reader and one language: that of the market
    routes = APIRouter()

    @routes.get("/api/passports/{serial}.pdf")
    def passport_pdf(serial: Serial) -> Response:
        return _document(documents.passport_pdf, serial, "application/pdf", "pdf")

    @routes.get("/api/passports/{serial}.json")
    def passport_json(serial: Serial) -> Response:
        return _document(documents.passport_json, serial, "application/json", "json")

    @routes.get("/api/labels/{serial}")
    def label(serial: Serial) -> Response:
        return _document(documents.label, serial, documents.label_type, "")

    return routes


def _document(find: Find, serial: str, media_type: str, ending: str) -> Response:
    content = find(serial)
    if content is None:
        raise HTTPException(404, f"There is no such document of unit {serial}.")
    named = {"Content-Disposition": f'inline; filename="{serial}.{ending}"'} if ending else {}
    return Response(content, media_type=media_type, headers=named)

"""Results of test equipment over HTTP: testers are no people, so they show a token of their own instead of a session.

    curl --data-binary @AC22-000001.csv -H "Authorization: Bearer $TOKEN" \
        "http://HOST:8080/api/results/safety-tester-de?name=AC22-000001.csv"

The answer is the same acknowledgement that the drop folder gives: 200 where nobody has to look, 422 otherwise.
"""

from collections.abc import Callable
from hmac import compare_digest
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from station.web.paper import Papers

SCHEME = "Bearer "
FormatName = Annotated[str, InPath(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
FileName = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f/\\]+$")]


class TakesResults(Protocol):
    """What takes a file of results; may be called from any thread."""

    def receive(self, layout: str, name: str, content: bytes) -> dict[str, Any]:
        """Record what a file reports and return the acknowledgement.

        Raises:
            ServiceError: The records or the folder can't be written.
        """
        ...


def result_routes(intake: TakesResults, token: Callable[[], str], papers: Papers) -> APIRouter:
    """Return the way in for testers.

    Args:
        intake: What takes the files.
        token: Gives the token that testers show; empty closes this way.
        papers: Of the station; testers are answered in English.
    """
    del papers
    routes = APIRouter()

    @routes.post("/api/results/{layout}")
    async def receive(
        layout: FormatName, request: Request, name: FileName = "results", authorization: Annotated[str, Header()] = ""
    ) -> JSONResponse:
        if not await run_in_threadpool(shows, authorization, token):
            raise HTTPException(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        told = await run_in_threadpool(intake.receive, layout, name, await request.body())
        return JSONResponse(told, 200 if told["accepted"] else 422)

    return routes


def shows(authorization: str, token: Callable[[], str]) -> bool:
    """Tell whether a program shows the token; compared in constant time, so that none is guessed letter by letter."""
    wanted, shown = token(), authorization.removeprefix(SCHEME)
    return bool(wanted) and authorization.startswith(SCHEME) and compare_digest(shown.encode(), wanted.encode())

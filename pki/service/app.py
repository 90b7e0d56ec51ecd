"""Routes and answers; everything that blocks runs in a few threads with a bounded queue."""

import asyncio
import base64
import binascii
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from pki.certificate.profile import load_profile
from pki.environment import Environment, Plant, Ship, Test
from pki.errors import PkiError, RequestRefused
from pki.est import Caller, Endpoint, Registrars, Unauthenticated, basic_credentials, from_base64
from pki.issue import Factory
from pki.revocation import MAX_REQUEST_BYTES, Answer, Responder, StatusAuthority
from pki.service.listener import Limits

LOG = logging.getLogger(__name__)
WORLDS: dict[str, type[Environment]] = {world.name: world for world in (Test, Ship, Plant)}
MAX_EST_BYTES = 16_384
THREADS = 2
WAITING = 128
OCSP_MAX_AGE = 3600
"""Seconds that a shared cache may keep an answer; after a revocation it may be wrong for so long."""
NAME = re.compile(r"[a-z0-9-]{1,64}")
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """Where the services listen and what they offer."""

    http: tuple[str, int] = ("127.0.0.1", 8080)
    """Address of CRL, OCSP and CA certificates."""
    https: tuple[str, int] | None = ("127.0.0.1", 8443)
    """Address of EST; None for none."""
    tls: type[Environment] = Plant
    """Whose server certificate EST shows."""
    labels: tuple[str, ...] = ("test-station", "ship-station")
    """EST labels, `<environment>-<profile>`; the first is also answered where no label is given."""
    registrars: frozenset[str] = frozenset()
    """Stations of the Plant world that may enrol units."""
    refresh_seconds: float = 60.0
    """How often to look whether a CRL must be published."""
    limits: Limits = field(default_factory=Limits)


class Workers:
    """A few threads; whoever comes when the queue is full is sent away instead of being kept."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS)
        self._inside = 0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a blocking function returns.

        Raises:
            HTTPException: 503, too many wait.
        """
        if self._inside >= WAITING:
            raise HTTPException(503, "Too many ask at once.", {"Retry-After": "10"})
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Outlive the last thread: whoever closes the HSM next must find nobody inside."""
        del app
        yield
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)


def status_authorities(factory: Factory) -> list[StatusAuthority]:
    """Return every CA whose key is in a token of daily work, with what it issued in the ceremony."""
    servers = [factory.layout.certificate(server.name) for server in factory.parts.servers]
    leaves = [x509.load_pem_x509_certificate(path.read_bytes()) for path in servers if path.exists()]
    issued = [*factory.certificates.values(), *leaves]
    return [
        StatusAuthority(
            certificate=factory.certificates[authority.label],
            authority=authority,
            ledger=factory.ledger,
            others=_serials(issued, factory.certificates[authority.label]),
        )
        for world in WORLDS.values()
        for authority in factory.authorities(world)
    ]


def _serials(issued: Sequence[x509.Certificate], issuer: x509.Certificate) -> frozenset[str]:
    return frozenset(f"{found.serial_number:X}" for found in issued if found.issuer == issuer.subject)


def publish_all(authorities: Sequence[StatusAuthority], folder: Path, *, force: bool = False) -> list[str]:
    """Publish the CRL of each CA that needs it; return their names.

    Raises:
        KeystoreError: The HSM is away.
        PkiError: The ledger can't be written.
    """
    return [authority.name for authority in authorities if authority.publish(folder, force=force)]


def status_app(factory: Factory, options: Options) -> Starlette:
    """Return what everybody may ask over plain HTTP (RFC 5280 section 8): CRLs, OCSP, CA certificates."""
    authorities = status_authorities(factory)
    responder, workers = Responder(authorities), Workers()

    async def crl(request: Request) -> Response:
        path = factory.layout.crls / f"{_name(request)}.crl"
        if not path.is_file():
            raise HTTPException(404, "There is no such list.")
        return FileResponse(path, media_type="application/pkix-crl")

    async def ca(request: Request) -> Response:
        certificate = factory.certificates.get(_name(request))
        if certificate is None:
            raise HTTPException(404, "There is no such CA.")
        return Response(certificate.public_bytes(Encoding.DER), media_type="application/pkix-cert")

    async def ocsp_post(request: Request) -> Response:
        body = await _body(request, MAX_REQUEST_BYTES)
        return _ocsp(await workers.run(responder.answer, body))

    async def ocsp_get(request: Request) -> Response:
        try:
            asked = base64.b64decode(request.path_params["asked"], validate=True)
        except binascii.Error:
            asked = b""
        return _ocsp(await workers.run(responder.answer, asked), cacheable=True)

    routes = [
        Route("/crl/{name}.crl", crl),
        Route("/ca/{name}.cer", ca),
        Route("/ocsp", ocsp_post, methods=["POST"]),
        Route("/ocsp/", ocsp_post, methods=["POST"]),
        Route("/ocsp/{asked:path}", ocsp_get),
    ]
    publishing = _publishing(partial(publish_all, authorities, factory.layout.crls), options.refresh_seconds, workers)
    return Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=publishing)


def _publishing(publish_now: Callable[[], object], seconds: float, workers: Workers) -> Any:
    async def publish() -> None:
        while True:
            try:
                await asyncio.to_thread(publish_now)
            except (PkiError, OSError) as error:
                LOG.error("CRLs can't be published: %s", error)  # noqa: TRY400  # a token that is away is no bug
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(publish())
        async with workers.lifespan(app):
            yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


def _name(request: Request) -> str:
    name = str(request.path_params["name"])
    if not NAME.fullmatch(name):
        raise HTTPException(404, "There is no such file.")
    return name


def _ocsp(answer: Answer, *, cacheable: bool = False) -> Response:
    """Return the answer with what RFC 5019 section 6 wants for caches."""
    headers = {"Cache-Control": "no-store"}
    if cacheable and answer.since and answer.until:
        headers = {
            "Cache-Control": f"max-age={OCSP_MAX_AGE}, public, no-transform, must-revalidate",
            "ETag": f'"{hashlib.sha256(answer.der).hexdigest()}"',
            "Last-Modified": _http_date(answer.since),
            "Expires": _http_date(answer.until),
        }
    return Response(answer.der, media_type="application/ocsp-response", headers=headers)


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def est_app(factory: Factory, options: Options) -> Starlette:
    """Return what is asked over TLS (RFC 7030).

    Raises:
        ProfileError: A label names no profile.
        RequestRefused: A label names no environment, or a profile that is not for units.
    """
    endpoints = {label: _endpoint(factory, label) for label in options.labels}
    registrars = Registrars(factory.issuer(Plant), options.registrars) if options.registrars else None
    workers = Workers()

    def found(request: Request) -> tuple[Endpoint[Any], str]:
        label, _, order = str(request.path_params.get("label", options.labels[0])).partition("@")
        if label not in endpoints:
            raise HTTPException(404, "There is no such label.")
        return endpoints[label], order

    async def cacerts(request: Request) -> Response:
        return _base64(found(request)[0].cacerts(), "application/pkcs7-mime")

    async def csrattrs(request: Request) -> Response:
        return _base64(found(request)[0].csrattrs(), "application/csrattrs")

    async def simpleenroll(request: Request) -> Response:
        endpoint, order = found(request)
        asked, caller = from_base64(await _body(request, MAX_EST_BYTES)), _caller(request)
        return _certificate(await workers.run(_enrolled, endpoint, asked, caller, registrars, order))

    async def simplereenroll(request: Request) -> Response:
        endpoint, _ = found(request)
        asked = from_base64(await _body(request, MAX_EST_BYTES))
        return _certificate(await workers.run(endpoint.renew, asked, _caller(request)))

    operations = {"cacerts": cacerts, "csrattrs": csrattrs}
    acts = {"simpleenroll": simpleenroll, "simplereenroll": simplereenroll}
    routes = [*_est_routes(operations, "GET"), *_est_routes(acts, "POST")]
    return Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=workers.lifespan)


def _est_routes(operations: Mapping[str, Callable[[Request], Any]], method: str) -> Iterator[Route]:
    for name, operation in operations.items():
        yield Route(f"/.well-known/est/{name}", operation, methods=[method])
        yield Route(f"/.well-known/est/{{label}}/{name}", operation, methods=[method])


def _endpoint(factory: Factory, label: str) -> Endpoint[Any]:
    world, _, profile = label.partition("-")
    if world not in WORLDS or not load_profile(profile).unit:
        raise RequestRefused(f"'{label}' is no label of EST", hint="Use <environment>-<profile of a unit>.")
    environment = WORLDS[world]
    authorities = tuple(x509.load_pem_x509_certificates(factory.client_roots(environment)))
    return Endpoint(environment, factory.issuer(environment), profile, factory.ledger, authorities)


def _enrolled(
    endpoint: Endpoint[Any], asked: bytes, caller: Caller, registrars: Registrars[Plant] | None, order: str
) -> bytes:
    if registrars and (registrar := registrars.name_of(caller.certificate)):
        return endpoint.register(asked, order, registrar)
    return endpoint.enrol(asked, caller)


def _caller(request: Request) -> Caller:
    user, code = basic_credentials(request.headers.get("authorization", ""))
    return Caller(request.state.peer, user, code)


async def _body(request: Request, limit: int) -> bytes:
    """Return the request's body.

    Raises:
        HTTPException: It is longer than `limit` bytes, or the client left.
    """
    body = bytearray()
    too_long = HTTPException(413, f"The request is longer than {limit} bytes.")
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_long
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_long
    except ClientDisconnect as error:
        raise HTTPException(400, "The request is incomplete.") from error
    return bytes(body)


def _certificate(der: bytes) -> Response:
    return _base64(der, "application/pkcs7-mime; smime-type=certs-only")


def _base64(der: bytes, media_type: str) -> Response:
    headers = {"Content-Transfer-Encoding": "base64", "Cache-Control": "no-store"}
    return Response(base64.encodebytes(der), media_type=media_type, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer an error with one sentence; what went wrong inside stays in the log."""
    del request
    if isinstance(error, Unauthenticated):
        headers = {"WWW-Authenticate": 'Basic realm="enrolment", charset="UTF-8"'}
        return PlainTextResponse(f"{error.message}. {error.hint}\n", 401, headers)
    if isinstance(error, RequestRefused):
        return PlainTextResponse(f"{error.message}. {error.hint}\n", 400)
    LOG.error("a request failed: %s", error)
    return PlainTextResponse("The PKI can't answer now.\n", 503, {"Retry-After": "60"})


_HANDLERS: dict[Any, Any] = {PkiError: _refused}

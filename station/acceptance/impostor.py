"""Whoever claims a unit's identity with another password, played by the bench itself: the server must not let him in.

A login proves something only at a server that refuses wrong ones, so that is shown for each unit, in its own visit.
"""

import http.client
import secrets
import ssl
from base64 import b64encode
from http import HTTPStatus
from urllib.parse import quote

from station.acceptance.contract import Expected, PersonaConfig
from station.acceptance.server import AcceptanceServer
from station.clock import Deadline
from station.errors import Service, ServiceError

PASSWORD_BYTES = 15
"""Of a password that nobody has; 20 characters of base64."""
SECONDS = 5.0
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""What a host that stands for all addresses is called by from here."""


def claim(server: AcceptanceServer, expected: Expected, password: str, deadline: Deadline) -> HTTPStatus:
    """Claim to be a unit at the persona that expects it, with a password, and return the server's answer.

    Raises:
        ServiceError: Our own server does not answer.
    """
    environment = expected.environment
    persona = next(persona for persona in server.config.personas if persona.persona is environment)
    host = _EVERYWHERE.get(server.config.host, server.config.host)
    timeout = deadline.at_most(SECONDS).remaining
    link = http.client.HTTPSConnection(host, server.port(environment), timeout=timeout, context=_trusting(persona))
    try:
        link.request(
            "GET",
            f"{expected.path.rstrip('/')}/{quote(expected.identity, safe='')}",
            headers=_upgrade(expected, password),
        )
        return HTTPStatus(link.getresponse().status)
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"The acceptance server does not answer at {host}: {error}."
        raise ServiceError(Service.NETWORK, message, hint="Start the station again.") from error
    finally:
        link.close()


def nobodys_password() -> str:
    """Return a password of the usual form that was never given to anybody."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _trusting(persona: PersonaConfig) -> ssl.SSLContext:
    """Trust this persona's own chain and nothing else; it is called by its address, so its name says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(persona.chain_file)
    return context


def _upgrade(expected: Expected, password: str) -> dict[str, str]:
    pair = f"{expected.identity}:{password}".encode()
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": expected.version.value,
        "Authorization": f"Basic {b64encode(pair).decode()}",
    }

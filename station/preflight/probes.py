"""Single looks at the factory's network: each asks one thing, within a time, and shows no credential to anybody.

# Ref: RFC 1035 section 4 (DNS messages), RFC 5905 section 7.3 and RFC 4330 (SNTP), RFC 8446.
"""

import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import time
from typing import TypeVar

from station.clock import Deadline
from station.errors import Service, ServiceError

Found = TypeVar("Found")
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""
MOST_OFFSET = 5.0
"""Seconds by which the station's clock may differ from a time server."""
LARGEST_ANSWER = 4096
_A_RECORD, _INTERNET, _RECURSE = 1, 1, 0x0100
_DEMANDS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_HANDSHAKE_FAILURE")
"""How a server ends a handshake in which it wanted to see a client's certificate."""


def link(interfaces: Path) -> str:
    """Return which network interfaces have a carrier; `interfaces` is where the kernel shows them.

    Raises:
        ServiceError: None has.
    """
    names = sorted(path.name for path in interfaces.iterdir() if path.name != "lo") if interfaces.is_dir() else []
    ready = [name for name in names if _said(interfaces / name / "carrier") == "1"]
    if not ready:
        told = f"no network interface has a carrier ({', '.join(names) or 'there is none'})"
        raise _trouble(told, "Plug in the network cable, and look at the switch.")
    return ", ".join(f"{name} ({_said(interfaces / name / 'operstate')})" for name in ready)


def resolve(host: str, deadline: Deadline) -> tuple[str, ...]:
    """Return the addresses that this computer's resolver has for a name.

    Raises:
        ServiceError: It has none, or does not answer in time.
    """
    found = _within(deadline, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM), f"the name {host}")
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def ask_name_server(server: str, host: str, deadline: Deadline, port: int = 53) -> str:
    """Ask one name server for a name, as a charger would, and return what it answered.

    Raises:
        ServiceError: It does not answer, or knows no address.
    """
    number = secrets.token_bytes(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    query = (
        number + struct.pack("!5H", _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", _A_RECORD, _INTERNET)
    )
    answer = _exchange(server, port, query, deadline, lambda data: len(data) >= 12 and data[:2] == number)
    code, count = answer[3] & 0x0F, struct.unpack("!H", answer[6:8])[0]
    if code or not count:
        told = f"name server {server} has no address for {host} (code {code})"
        raise _trouble(told, "Ask IT to let the factory's name servers resolve it.")
    return f"{server} knows {host}"


def ask_time(host: str, deadline: Deadline, port: int = 123) -> str:
    """Ask a time server, and return by how much this computer's clock differs from it.

    Raises:
        ServiceError: It does not answer, is not synchronised itself, or the clocks differ too much.
    """
    token = secrets.token_bytes(8)
    sent = time()
    answer = _exchange(
        host, port, b"\x23" + bytes(39) + token, deadline, lambda data: len(data) >= 48 and data[24:32] == token
    )
    received = time()
    mode, stratum = answer[0] & 0x07, answer[1]
    if mode != 4 or not 1 <= stratum <= 15:
        raise _trouble(f"time server {host} is not synchronised (stratum {stratum})", "Ask IT for another one.")
    offset = (_moment(answer[32:40]) + _moment(answer[40:48])) / 2 - (sent + received) / 2
    if abs(offset) > MOST_OFFSET:
        told = f"the clock differs by {-offset:+.1f} s from time server {host}"
        raise _trouble(told, "Let NTP keep this computer's clock.")
    return f"stratum {stratum}, this clock {-offset * 1000:+.0f} ms"


def authenticate(host: str, port: int, roots: bytes, deadline: Deadline, address: str = "") -> str:
    """Let a server prove itself by TLS to roots (PEM), without any certificate of ours, and say what it showed.

    Args:
        host: Name that its certificate must bear.
        port: TCP port.
        roots: Whom to trust: nobody else.
        deadline: For everything.
        address: Where it is; by default where the name leads.

    Raises:
        ServiceError: It is not reached, or does not prove itself.
    """
    addresses = resolve(address or host, deadline)
    try:
        return _handshake(host, port, roots, deadline, addresses)
    except ssl.SSLCertVerificationError as error:
        told = f"{host}:{port} shows a certificate that chargers would refuse: {error.verify_message}"
        raise _trouble(told, "Ask the operator which roots its server has.") from error
    except ssl.SSLError as error:
        if _asked_for_ours(host, port, deadline, addresses, error):
            return "its certificate is trusted; it then asked for one of ours, which nobody shows here"
        raise _trouble(f"{host}:{port} ends TLS: {error.reason}", "Ask IT what stands in between.") from error
    except OSError as error:
        told = f"{host}:{port} is not reached: {error.strerror or error}"
        raise _trouble(told, f"Ask IT to open TCP port {port} to it.") from error


def _handshake(host: str, port: int, roots: bytes, deadline: Deadline, addresses: Sequence[str]) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if roots.strip():
        context.load_verify_locations(cadata=roots.decode("ascii"))
    with (
        _connected(addresses, port, deadline) as connection,
        context.wrap_socket(connection, server_hostname=host) as tls,
    ):
        shown = tls.getpeercert() or {}
        cipher = tls.cipher() or ("",)
        return f"{tls.version()} {cipher[0]}, its certificate ends {shown.get('notAfter', 'never')}"


def _connected(addresses: Sequence[str], port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address that takes it; each gets a fair share of the time that is left."""
    for number, address in enumerate(addresses[:-1]):
        with suppress(OSError):
            return _connection(address, port, deadline.remaining / (len(addresses) - number))
    return _connection(addresses[-1], port, deadline.remaining)


def _connection(address: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((address, port), max(0.01, seconds))


def _asked_for_ours(host: str, port: int, deadline: Deadline, addresses: Sequence[str], error: ssl.SSLError) -> bool:
    """Tell whether the handshake only ended because we showed no certificate: the server's own came before.

    With no root at all, a handshake ends at the server's certificate. So a server whose handshake ends there without
    roots, and later with them, had proven itself by then.
    """
    if not any(word in (error.reason or "") for word in _DEMANDS_CERTIFICATE):
        return False
    try:
        _handshake(host, port, b"", deadline, addresses)
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        return False
    return False


def _exchange(host: str, port: int, query: bytes, deadline: Deadline, fits: Callable[[bytes], bool]) -> bytes:
    """Send a datagram and return the first answer that fits it; others are somebody else's."""
    where = resolve(host, deadline)[0]
    try:
        family, _, _, _, address = socket.getaddrinfo(where, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[
            0
        ]
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.connect(address)
            client.send(query)
            while True:
                client.settimeout(max(0.01, deadline.remaining))
                answer = client.recv(LARGEST_ANSWER)
                if fits(answer):
                    return answer
    except OSError as error:
        told = f"{host} does not answer on UDP port {port}: {error.strerror or error}"
        raise _trouble(told, f"Ask IT to open UDP port {port} to it.") from error


def _within(deadline: Deadline, act: Callable[[], Found], what: str) -> Found:
    """Run what can't be given a time on a thread of its own, and wait for it no longer than allowed."""
    results: list[Found] = []
    problems: list[OSError] = []

    def work() -> None:
        try:
            results.append(act())
        except OSError as error:
            problems.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(deadline.remaining)
    if results:
        return results[0]
    why = problems[0].strerror if problems else f"no answer within {deadline.seconds:.3g} s"
    raise _trouble(f"{what} is not resolved: {why}", "Look at this computer's name servers.")


def _moment(stamp: bytes) -> float:
    seconds, fraction = struct.unpack("!2I", stamp)
    return float(seconds) - NTP_EPOCH + float(fraction) / 2**32


def _said(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def _trouble(told: str, hint: str) -> ServiceError:
    return ServiceError(Service.NETWORK, told, hint=hint, stops_line=False)

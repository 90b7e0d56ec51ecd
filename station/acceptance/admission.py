"""Who may in: certificate name, certificate, path identity and work order are compared, all four, plus the subprotocol.

A station is blamed only for what its own certificate or password proves. One that merely claims an identity is
refused, and the unit whose identity it claimed does not suffer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote, unquote

from station.acceptance.contract import Expected
from station.acceptance.messages import printable
from station.acceptance.tls import PeerCertificate
from station.errors import Defect
from station.model import Environment


@dataclass(frozen=True)
class Presented:
    """What a station shows when it connects."""

    environment: Environment
    address: str
    path: str
    subprotocols: tuple[str, ...]
    authorization: bool
    """Whether any Authorization header was sent."""
    basic: tuple[str, str] | None = field(repr=False)
    certificate: PeerCertificate | None
    tls_version: str
    cipher: str

    @property
    def claimed(self) -> str:
        """Return the identity in the path, made safe for messages."""
        return printable(unquote(self.path.partition("?")[0].rsplit("/", 1)[-1]))


@dataclass(frozen=True)
class Verdict:
    """What becomes of a connection."""

    status: HTTPStatus
    """SWITCHING_PROTOCOLS admits."""
    reason: str
    expected: Expected | None = None
    """The unit it is, where proven; with a refusal, the unit to blame."""
    defect: Defect = Defect.CERTIFICATE
    claimed: Expected | None = None
    """The unit whose identity was merely claimed."""

    @property
    def admitted(self) -> bool:
        """Tell whether the station may in."""
        return self.status is HTTPStatus.SWITCHING_PROTOCOLS


def judge(presented: Presented, waiting: Sequence[Expected]) -> Verdict:
    """Decide on a connection, given everybody who is expected on this persona."""
    owner = _owner(presented.certificate, waiting)
    if owner is not None:
        return _judge_certificate(presented, owner)
    claimed = next((unit for unit in waiting if unit.identity == presented.claimed), None)
    if claimed is None:
        return Verdict(HTTPStatus.FORBIDDEN, f"nobody expects '{presented.claimed}' here")
    if claimed.security_profile == 2:
        return _judge_password(presented, claimed)
    shown = f"the certificate of '{printable(presented.certificate.common_name)}'" if presented.certificate else "none"
    return Verdict(HTTPStatus.FORBIDDEN, f"client certificate: {shown}", claimed=claimed)


def _owner(certificate: PeerCertificate | None, waiting: Sequence[Expected]) -> Expected | None:
    """Return whose certificate this is: the very one issued, else one issued for the same serial number."""
    if certificate is None:
        return None
    by_certificate = [unit for unit in waiting if unit.security_profile == 3]
    same = (unit for unit in by_certificate if certificate.sha256 in _known(unit))
    named = (unit for unit in by_certificate if unit.serial == certificate.common_name)
    return next(same, None) or next(named, None)


def _known(unit: Expected) -> set[str]:
    """Return the fingerprints of the certificates that are this unit's now."""
    return {unit.certificate_sha256.lower(), unit.former_sha256.lower()} - {""}


def _judge_certificate(presented: Presented, unit: Expected) -> Verdict:
    certificate = presented.certificate
    assert certificate is not None  # noqa: S101 - the owner was found by it
    found = _certificate_fault(certificate, unit)
    if found:
        return Verdict(HTTPStatus.FORBIDDEN, found, unit, Defect.CERTIFICATE)
    if presented.authorization:
        return Verdict(HTTPStatus.FORBIDDEN, "sent a password on security profile 3", unit, Defect.CONFIGURATION)
    return _judge_address(presented, unit)


def _certificate_fault(certificate: PeerCertificate, unit: Expected) -> str:
    if certificate.common_name != unit.serial:
        return f"the certificate names '{printable(certificate.common_name)}', not serial number {unit.serial}"
    if unit.former_sha256 and certificate.sha256 == unit.former_sha256.lower():
        return ""
    if certificate.serial != f"{int(unit.certificate_serial, 16):x}":
        return f"presented certificate {certificate.serial}, issued was {unit.certificate_serial.lower()}"
    if certificate.sha256 != unit.certificate_sha256.lower():
        return f"presented certificate with SHA-256 {certificate.sha256}, issued was {unit.certificate_sha256.lower()}"
    return ""


def _judge_password(presented: Presented, unit: Expected) -> Verdict:
    if presented.basic is None or not _proves(presented.basic, unit):
        return Verdict(HTTPStatus.UNAUTHORIZED, "wrong or no password", claimed=unit)
    return _judge_address(presented, unit)


def _proves(basic: tuple[str, str], unit: Expected) -> bool:
    """Tell whether name and password are the unit's; without a known password nothing is right."""
    # Put together and parted anew by what is expected: an identity may hold the colon that parts the two.
    joined, name = ":".join(basic), f"{unit.identity}:"
    return unit.password is not None and joined.startswith(name) and unit.password.matches(joined[len(name) :])


def _segments(path: str) -> list[str]:
    """Return the parts of a path; an encoded slash parts nothing."""
    return [unquote(segment) for segment in path.split("/")]


def _judge_address(presented: Presented, unit: Expected) -> Verdict:
    wanted = f"{unit.path.rstrip('/')}/{quote(unit.identity, safe='')}"
    if _segments(presented.path) != _segments(wanted):
        path = printable(presented.path.partition("?")[0], 120)  # a query may hold a password
        query = " with a query" if "?" in presented.path else ""
        reason = f"connected to path '{path}'{query}, ordered is '{wanted}'"
        return Verdict(HTTPStatus.FORBIDDEN, reason, unit, Defect.CONFIGURATION)
    if unit.version.value not in presented.subprotocols:
        offered = ", ".join(printable(name) for name in presented.subprotocols[:8]) or "none"
        reason = f"offered subprotocol {offered}; ordered is {unit.version.value}"
        return Verdict(HTTPStatus.BAD_REQUEST, reason, unit, Defect.CONFIGURATION)
    return Verdict(HTTPStatus.SWITCHING_PROTOCOLS, "admitted", unit)

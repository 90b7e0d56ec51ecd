"""From the identity message of group 64 to the station's own words for it."""

from station.drivers.smp_messages import IdentityResponse
from station.errors import Defect, UnitError
from station.model import DeviceIdentity, TransportKey

ABILITY_OF_CAP = {
    "key-read": "request-read",
    "cert-read": "certificate-read",
    "key-package": "key-package",
    "challenge": "challenge",
    "serial": "serial",
}
"""The words of `caps` that the station acts on, and what it calls them; others are ignored."""
_TRANSPORTS = ("rsa-oaep", "ecdh-p256", "kek")


def to_identity(said: IdentityResponse) -> DeviceIdentity:
    """Translate what the device said of itself.

    Raises:
        UnitError: Its transport key is of a kind the protocol does not know.
    """
    return DeviceIdentity(
        uid=said.uid,
        model=said.model,
        has_key=said.key,
        has_certificate=said.cert,
        locked=said.locked,
        hardware=said.hw,
        firmware=said.fw,
        serial=said.serial,
        keys=said.slots,
        transport=_transport(said),
        abilities=frozenset(ABILITY_OF_CAP[cap] for cap in said.caps if cap in ABILITY_OF_CAP),
    )


def _transport(said: IdentityResponse) -> TransportKey | None:
    if not said.transport:
        return None
    algorithm = said.transport.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _TRANSPORTS:
        raise UnitError(Defect.PROTOCOL, "The charger's transport key is of an unknown kind.")
    key = said.transport.get("kid" if algorithm == "kek" else "spki", b"")
    if not key or not isinstance(key, bytes):
        raise UnitError(Defect.PROTOCOL, "The charger names a transport key and does not show it.")
    return TransportKey(algorithm, key)

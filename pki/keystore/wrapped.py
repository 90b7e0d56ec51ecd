"""What a device key is wrapped for, and how it looks when it has left the HSM.

A recipient is plain data: it names who may open the key and holds nothing secret.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RsaTransport:
    """A device with an RSA transport key: the content key goes under RSAES-OAEP."""

    spki: bytes


@dataclass(frozen=True)
class EcTransport:
    """A device with a P-256 transport key: ephemeral-static ECDH inside the HSM (RFC 5753)."""

    spki: bytes


@dataclass(frozen=True)
class BatchKek:
    """A small batch of devices that share an AES-256 key with the token."""

    label: str
    """Label of the key in the token; its UTF-8 bytes are the key identifier in the package."""


Recipient = RsaTransport | EcTransport | BatchKek


@dataclass(frozen=True)
class WrappedKey:
    """A new device key as it left the HSM: readable only by its recipient."""

    spki: bytes
    """The public half."""
    key: bytes
    """PKCS#8 under the content key, or directly under a trusted batch key, RFC 5649; some tokens pad the PKCS#8
    with zeros to 8 bytes."""
    recipient: Recipient
    content_key: bytes = b""
    """The AES-256 content key: under RSAES-OAEP, or under the agreed or the batch's key (RFC 3394); empty for
    a trusted batch key."""
    oaep_hash: str = ""
    """Hash of RSAES-OAEP and its mask; only for an RSA transport."""
    ephemeral: bytes = b""
    """SPKI of the HSM's one-time key (RFC 5753); only for an EC transport."""


@dataclass(frozen=True)
class WrappedKek:
    """A batch's key on its one way out, to whoever puts it into the devices."""

    label: str
    key: bytes
    """The AES-256 key under RSAES-OAEP."""
    oaep_hash: str

"""Cryptographic Message Syntax: key packages for devices, sealed secrets for people and for the factory's own token."""

from pki.cms.package import key_package
from pki.cms.recipients import key_identifier
from pki.cms.seal import SealingKey, load_recipient, seal
from pki.cms.transports import recipient_of
from pki.cms.unseal import sealed_content

__all__ = [
    "SealingKey",
    "key_identifier",
    "key_package",
    "load_recipient",
    "recipient_of",
    "seal",
    "sealed_content",
]

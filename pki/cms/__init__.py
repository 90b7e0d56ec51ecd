"""Cryptographic Message Syntax, only built, never opened: key packages for devices, sealed secrets for people."""

from pki.cms.package import key_package
from pki.cms.recipients import key_identifier
from pki.cms.seal import load_recipient, seal
from pki.cms.transports import recipient_of

__all__ = ["key_identifier", "key_package", "load_recipient", "recipient_of", "seal"]

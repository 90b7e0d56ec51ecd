"""Unique passwords and PINs of units: drawn in the HSM, kept as a keyed hash, handed over sealed (F-D6, F-D7)."""

from pki.passwords.issue import Passwords, Sealed, kept_by, open_passwords
from pki.passwords.kinds import POLICIES, Encoding, Kind, Policy
from pki.passwords.paper import PaperSecrets
from pki.passwords.safe import Safe, open_safe
from pki.passwords.value import Password, Verifier

__all__ = [
    "POLICIES",
    "Encoding",
    "Kind",
    "PaperSecrets",
    "Password",
    "Passwords",
    "Policy",
    "Safe",
    "Sealed",
    "Verifier",
    "kept_by",
    "open_passwords",
    "open_safe",
]

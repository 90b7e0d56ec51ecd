"""Unique passwords and PINs of units: drawn in the HSM, kept as a keyed hash, handed over sealed (F-D6, F-D7)."""

from pki.passwords.issue import Passwords, Sealed, open_passwords
from pki.passwords.kinds import POLICIES, Encoding, Kind, Policy
from pki.passwords.value import Password

__all__ = ["POLICIES", "Encoding", "Kind", "Password", "Passwords", "Policy", "Sealed", "open_passwords"]

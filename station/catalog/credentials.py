"""What a unit proves with who it is: its certificate, or a password beside it (OCPP 2.0.1 part 2 A00)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

BY_PASSWORD, BY_CERTIFICATE = 2, 3
SECURITY_PROFILES = (BY_PASSWORD, BY_CERTIFICATE)
"""TLS with Basic authentication, and TLS with client certificates; what is below has no TLS."""
KEY = re.compile(r"[!-~]{1,128}")


class Credential(StrEnum):
    """What a unit needs to prove who it is, of what this station can make."""

    CLIENT_CERTIFICATE = "client-certificate"
    PASSWORD = "password"


@dataclass(frozen=True)
class PasswordSetting:
    """Where the device keeps the password that it logs in with: a setting that is written and never read.

    It gets the characters themselves; hexadecimal is how OCPP 1.6 carries them in a message, not how they are kept.
    """

    key: str = ""
    """Key of the device's settings; empty for a product whose units have no password."""

    def __post_init__(self) -> None:
        """Refuse what is no key of a device."""
        if self.key and not KEY.fullmatch(self.key):
            raise ValueError("key: must be 1 to 128 visible characters")


def credential_problems(
    profile: int, credentials: Collection[Credential], password: PasswordSetting, *, renewal: bool
) -> Iterator[str]:
    """Tell where security profile, credentials, password and the rehearsal of renewal contradict each other."""
    if profile not in SECURITY_PROFILES:
        yield f"security_profile must be {' or '.join(map(str, SECURITY_PROFILES))}, not {profile}"
    if Credential.CLIENT_CERTIFICATE not in credentials:
        told = "ledger, passport and CPMS know every unit by its certificate, whatever it logs in with"
        yield f"credentials: '{Credential.CLIENT_CERTIFICATE}' is missing: {told}"
    has = Credential.PASSWORD in credentials
    if profile == BY_PASSWORD and not has:
        yield f"credentials: security profile {BY_PASSWORD} needs '{Credential.PASSWORD}'"
    if has and not password.key:
        yield f"password: key is missing: where does the device keep its '{Credential.PASSWORD}'?"
    if password.key and not has:
        yield f"password: credentials do not name '{Credential.PASSWORD}'"
    if profile == BY_PASSWORD and renewal:
        told = "shows no certificate: performed = false, with the reason"
        yield f"renewal: a unit on security profile {BY_PASSWORD} {told}"

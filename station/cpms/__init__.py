"""Charging management systems: register a released unit once, and prove by reading back that the record is ours.

A registration is keyed on (CPMS, serial, revision), so asking twice gives the same answer, also after a crash between
asking and answering. A record that differs is reported field by field and never overwritten (F-G2, F-G3).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from station.cpms.contract import Cpms, Record, Registration, Secret
from station.cpms.folder import open_folder
from station.cpms.nothing import open_nothing
from station.cpms.payload import differences, payload
from station.cpms.rest import open_rest
from station.cpms.tls import ClientIdentity, Identify
from station.errors import ConfigError

__all__ = [
    "ADAPTERS",
    "ClientIdentity",
    "Cpms",
    "Identify",
    "Record",
    "Registration",
    "Secret",
    "differences",
    "open_cpms",
    "payload",
]

ADAPTERS: Mapping[str, Callable[[str, Secret, Path], Cpms]] = {
    "staging+http": open_rest,
    "staging+https": open_rest,
    "file": open_folder,
    "none": open_nothing,
}
"""How a CPMS is opened, by the scheme of its URI."""


def open_cpms(uri: str, token: Secret, directory: Path = Path(), identify: Identify | None = None) -> Cpms:
    """Open the adapter that the URI's scheme names; relative paths and `ca=` files are found in `directory`.

    Args:
        uri: Which CPMS, without anything secret.
        token: Gives the access token.
        directory: The station directory.
        identify: Gives the certificate by which the CPMS knows this station (mutual TLS).

    Raises:
        ConfigError: No adapter has this scheme, the URI is not one that it takes, or the certificate cannot be used.
        ServiceError: The certificate cannot be had.
    """
    scheme, separator, _ = uri.partition(":")
    if not separator or scheme not in ADAPTERS:
        raise ConfigError(
            f"cpms.uri: '{scheme[:40]}' is not a scheme of a CPMS",
            hint=f"Use one of: {', '.join(f'{name}:' for name in ADAPTERS)}",
        )
    if identify is None:
        return ADAPTERS[scheme](uri, token, directory)
    if not scheme.endswith("https"):
        raise ConfigError(f"cpms.client: '{scheme}:' knows no client certificates")
    return open_rest(uri, token, directory, identify)

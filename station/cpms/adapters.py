"""Which CPMSs there are adapters for: one visible table, chosen from by the scheme of a URI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from station.cpms import folder, nothing, rest
from station.cpms.contract import BY_PASSWORD, Cpms, Limits
from station.cpms.folder import open_folder
from station.cpms.nothing import open_nothing
from station.cpms.rest import open_rest
from station.cpms.vendors import ampeco, citrineos, greenflux, maeve, monta, steve
from station.cpms.vendors.caller import Opening
from station.errors import ConfigError
from station.http import Secret
from station.trust import Identify

UNTESTED = "untested against a live system"
TESTED = "tested against its own description"

Opener = Callable[[str, Secret, Path, Identify | None], Cpms]


class Passwords(StrEnum):
    """What an adapter does with the password of a unit that logs in with one."""

    TAKES = "opened inside the adapter and written"
    BATCH = "not sent: it travels sealed in the batch"
    NO_PLACE = "no place for it"


@dataclass(frozen=True)
class Adapter:
    """One kind of CPMS."""

    title: str
    open: Opener
    limits: Limits
    passwords: Passwords
    example: str
    evidence: str = UNTESTED
    """What the adapter was tried against."""
    networked: bool = True
    """Whether its scheme is followed by `+https`, or `+http` on this computer."""


def _without_identity(opener: Callable[[str, Secret, Path], Cpms]) -> Opener:
    def opened(uri: str, token: Secret, directory: Path, identify: Identify | None) -> Cpms:
        del identify
        return opener(uri, token, directory)

    return opened


def _vendor(opener: Callable[[Opening], Cpms], limits: Limits) -> Opener:
    def opened(uri: str, token: Secret, directory: Path, identify: Identify | None) -> Cpms:
        return opener(Opening(uri, token, directory, identify, limits))

    return opened


ADAPTERS: Mapping[str, Adapter] = {
    "staging": Adapter(
        "any CPMS that follows our OpenAPI description",
        open_rest,
        rest.LIMITS,
        Passwords.TAKES,
        "staging+https://host:8090",
        TESTED,
    ),
    "citrineos": Adapter(
        "CitrineOS 1 and 2",
        _vendor(citrineos.open_citrineos, citrineos.LIMITS),
        citrineos.LIMITS,
        Passwords.TAKES,
        "citrineos+https://host:8080?graphql=host:8090",
    ),
    "maeve": Adapter(
        "MaEVe",
        _vendor(maeve.open_maeve, maeve.LIMITS),
        maeve.LIMITS,
        Passwords.TAKES,
        "maeve+https://host:9410",
    ),
    "steve": Adapter(
        "SteVe 3.15",
        _vendor(steve.open_steve, steve.LIMITS),
        steve.LIMITS,
        Passwords.TAKES,
        "steve+https://host:8443",
    ),
    "ampeco": Adapter(
        "AMPECO, Public API",
        _vendor(ampeco.open_ampeco, ampeco.LIMITS),
        ampeco.LIMITS,
        Passwords.TAKES,
        "ampeco+https://host?location=12",
    ),
    "monta": Adapter(
        "Monta, Partner API",
        _vendor(monta.open_monta, monta.LIMITS),
        monta.LIMITS,
        Passwords.TAKES,
        "monta+https://host?team=1&site=2&models=AC22=77",
    ),
    "greenflux": Adapter(
        "GreenFlux, Charge Station Management API",
        _vendor(greenflux.open_greenflux, greenflux.LIMITS),
        greenflux.LIMITS,
        Passwords.NO_PLACE,
        "greenflux+https://host?location=STOCK",
    ),
    "file": Adapter(
        "a folder of files for import",
        _without_identity(open_folder),
        folder.LIMITS,
        Passwords.BATCH,
        "file:cpms",
        TESTED,
        networked=False,
    ),
    "none": Adapter(
        "no CPMS", _without_identity(open_nothing), nothing.LIMITS, Passwords.BATCH, "none:", TESTED, networked=False
    ),
}
"""Adapters by the first word of a URI's scheme."""


def adapter_of(uri: str) -> Adapter:
    """Return the adapter that a URI's scheme names.

    Raises:
        ConfigError: There is none.
    """
    scheme, separator, _ = uri.partition(":")
    name, plus, transport = scheme.partition("+")
    found = ADAPTERS.get(name) if separator else None
    if found is None or (transport not in ("http", "https") if found.networked else plus):
        raise ConfigError(
            f"environment.cpms: '{scheme[:40]}' is not a scheme of a CPMS",
            hint=f"Use one like these: {', '.join(each.example for each in ADAPTERS.values())}",
        )
    return found


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
    adapter = adapter_of(uri)
    if identify is not None and not uri.partition(":")[0].endswith("https"):
        raise ConfigError(f"cpms.client: '{uri.partition(':')[0]}:' knows no client certificates")
    return adapter.open(uri, token, directory, identify)


def check_passwords(uri: str, security_profile: int) -> None:
    """Refuse a CPMS that could never let in the units that are to be registered with it.

    Raises:
        ConfigError: No adapter has this scheme, or the units log in with passwords that its CPMS has no place for.
    """
    adapter = adapter_of(uri)
    if security_profile == BY_PASSWORD and adapter.passwords is Passwords.NO_PLACE:
        raise ConfigError(
            f"environment.cpms: {adapter.title}: its interface has no place for the password of a unit",
            hint="Build units of security profile 3 for it, or register them by the batch.",
        )

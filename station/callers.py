"""How the station shows other services who it is: a certificate that it was given, or its identity of the PKI.

Both ways are the same for every service (F-K5, F-K9), and no fault of them blames a unit.
"""

from functools import partial
from pathlib import Path
from typing import Protocol

from pki.errors import PkiError
from pki.issue import Factory
from pki.secret import secret
from station.config import ClientSection, StationConfig
from station.errors import Service, ServiceError
from station.passwords import told
from station.trust import ClientIdentity, Identify


class Calling(Protocol):
    """The section of a service that may want a certificate."""

    @property
    def identity(self) -> bool:
        """Tell whether the station shows its identity of the factory's PKI."""
        ...

    @property
    def client(self) -> ClientSection | None:
        """Return another certificate to show in its place."""
        ...


def identify(config: StationConfig, section: Calling, factory: Factory | None) -> Identify | None:
    """Return what gives the certificate for a service; None where none is shown."""
    if section.identity and factory is not None:
        return partial(_station_identity, config.station.id, factory)
    if section.client is not None:
        return partial(_client_identity, section.client, config.directory)
    return None


def given_secret(name: str, directory: Path) -> str:
    """Return a secret of the station, or nothing where it has no name.

    Raises:
        StationError: There is none.
    """
    with told():
        return secret(name, directory) if name else ""


def _station_identity(name: str, factory: Factory) -> ClientIdentity:
    """Return the station's identity of the Plant world, renewed when its time comes."""
    try:
        files = factory.station_identity(name)
    except PkiError as error:
        raise ServiceError(Service.PKI, error.message, hint=error.hint, stops_line=False) from error
    return ClientIdentity(files.chain, files.key, lambda: files.passphrase)


def _client_identity(client: ClientSection, directory: Path) -> ClientIdentity:
    passphrase = partial(given_secret, client.passphrase, directory)
    return ClientIdentity(directory / client.certificate, directory / client.key, passphrase)

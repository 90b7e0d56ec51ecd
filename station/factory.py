"""The factory's PKI as the station opens it, with its errors as the station's."""

from collections.abc import Iterator
from contextlib import contextmanager

from pki.issue import Factory, open_factory
from station.config import StationConfig
from station.passwords import told


@contextmanager
def opened_factory(config: StationConfig) -> Iterator[Factory]:
    """Open the factory's PKI, and close it at the end.

    Raises:
        ServiceError: The HSM is away, or a key does not fit its certificate.
    """
    with told():
        factory = open_factory(config.pki_directory, f"station {config.station.id}")
    try:
        yield factory
    finally:
        factory.close()

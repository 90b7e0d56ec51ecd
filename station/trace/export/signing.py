"""The records together with the key that signs what is made of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from station.config import StationConfig
from station.factory import opened_factory
from station.records import Records, open_records
from station.trace.export.envelope import Signer


@contextmanager
def opened_to_sign(config: StationConfig) -> Iterator[tuple[Records, Signer]]:
    """Open the station's records and the factory's record key, and close both at the end.

    Raises:
        ServiceError: The HSM or the database is away, or a key does not fit its certificate.
    """
    with open_records(config.database_url, config.station.id) as records, opened_factory(config) as factory:
        yield records, Signer(factory.sign, factory.record_certificate)

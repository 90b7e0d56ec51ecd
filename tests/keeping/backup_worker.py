"""Makes a backup in a process of its own, that is killed half way or finds the disk full."""

import os
import resource
import signal
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from station.config import load_station
from station.errors import ConfigError
from station.keeping.backup import Wanted, make_backup
from station.records import open_records
from station.trace.export import Signer


def main(directory: str, disk: str, key_file: str, fate: str) -> None:
    """Back up; be killed when it is told what is done next (`copying`, `restoring`), or get no more room (`full`)."""

    def progress(what: str) -> None:
        if what.startswith(fate):
            os.kill(os.getpid(), signal.SIGKILL)

    config = load_station(Path(directory))
    key = load_pem_private_key(Path(key_file).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = (config.pki_directory / "certificates" / "records.pem").read_text()
    signer = Signer(lambda data: key.sign(data, ec.ECDSA(SHA256())), certificate)
    with open_records(config.database_url, config.station.id) as records:
        if fate == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            make_backup(config, records, signer, Wanted(Path(disk), 9, "admin-1"), progress)
        except ConfigError as error:
            sys.exit(f"{error.message} {error.hint}")


if __name__ == "__main__":
    main(*sys.argv[1:])

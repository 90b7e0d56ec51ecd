"""Makes one backup in a process of its own, so that the line does not wait while millions of rows are read.

At the end a line of JSON says what was made, or why not.
"""

import json
import os
import sys
from pathlib import Path

from pki.errors import PkiError
from pki.issue import open_factory
from station.config import StationConfig, load_station
from station.errors import ConfigError, StationError
from station.keeping.backup import Made, Wanted, make_backup
from station.records import open_records
from station.steps.credentials import translated
from station.trace.export.envelope import Signer

WHO = "station"
POLITE = 10
"""How much later than the line's own threads it gets the processor."""


def main() -> None:
    """Make the backup that the station directory, the only argument, asks for."""
    os.nice(POLITE)
    try:
        made = _made(load_station(Path(sys.argv[1])))
        told = {"path": str(made.path)}
    except StationError as error:
        told = {"error": f"{error.message.removesuffix('.')}. {error.hint}".strip()}
    sys.stdout.write(json.dumps(told) + "\n")


def _made(config: StationConfig) -> Made:
    if not config.backup.directory:
        raise ConfigError("nothing says where backups go", hint="Name the folder in [backup].")
    try:
        factory = open_factory(config.pki_directory, f"station {config.station.id}")
    except PkiError as error:
        raise translated(error) from error
    try:
        with open_records(config.database_url, config.station.id) as records:
            signer = Signer(factory.sign, factory.record_certificate)
            wanted = Wanted(Path(config.backup.directory), config.backup.keep, WHO)
            return make_backup(config, records, signer, wanted)
    finally:
        factory.close()


if __name__ == "__main__":
    main()

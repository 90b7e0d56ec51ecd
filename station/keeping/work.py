"""Makes one backup in a process of its own, so that the line does not wait while millions of rows are read.

At the end a line of JSON says what was made, or why not.
"""

import json
import os
import sys
from pathlib import Path

from station.config import StationConfig, load_station
from station.errors import ConfigError, StationError
from station.keeping.backup import Made, Wanted, make_backup
from station.trace.export.signing import opened_to_sign

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
    wanted = Wanted(Path(config.backup.directory), config.backup.keep, WHO)
    with opened_to_sign(config) as (records, signer):
        return make_backup(config, records, signer, wanted)


if __name__ == "__main__":
    main()

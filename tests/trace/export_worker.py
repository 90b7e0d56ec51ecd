"""Makes an export in a process of its own, that is killed half way or finds the disk full."""

import os
import resource
import signal
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from station.errors import ConfigError
from station.records import ExportSet, open_records
from station.trace.export import Signer, Wanted, make_export


def main(url: str, form: str, table: str, target: str, fate: str) -> None:
    """Export; be killed after so many rows (`kill:9000`), or have no more room on the disk (`full:50000`)."""
    what, _, count = fate.partition(":")

    def progress(done: int, _total: int) -> None:
        if what == "kill" and done >= int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    key = load_pem_private_key(Path(target).with_name("key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = Path(target).with_name("records.pem").read_text()
    signer = Signer(lambda data: key.sign(data, ec.ECDSA(SHA256())), certificate)
    with open_records(url, "line1") as records:
        if what == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(count), int(count)))
        try:
            make_export(records, signer, Wanted(form, "qa-1", ExportSet(table)), Path(target), progress)
        except ConfigError as error:
            sys.exit(f"{error.message} {error.hint}")


if __name__ == "__main__":
    main(*sys.argv[1:])

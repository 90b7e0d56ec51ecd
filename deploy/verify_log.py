#!/usr/bin/env python3
"""Verify a station's audit log with Python's own library and openssl: verify_log.py FOLDER AUDIT.pem [FILE ...].

FOLDER is an export, AUDIT.pem came another way; a FILE is a kept checkpoint, a document, or the AUDIT.pem of before.
"""

import base64
import hashlib
import subprocess
import sys
import tempfile
from functools import reduce
from itertools import product
from pathlib import Path


def signed(note, certificates):
    """Return size and root of a checkpoint whose signature (note type 0x02, ECDSA with SHA-256) openssl verifies."""
    body, _, lines = note.partition(b"\n\n")
    with tempfile.TemporaryDirectory() as folder:
        key, signature = Path(folder, "key"), Path(folder, "signature")
        for certificate, line in product(certificates, lines.splitlines()):
            key.write_bytes(subprocess.check_output(["openssl", "x509", "-noout", "-pubkey"], input=certificate))
            signature.write_bytes(base64.b64decode(line.split(b" ")[-1])[4:])
            command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", signature]
            if subprocess.run(command, input=body + b"\n", capture_output=True, check=False).returncode == 0:
                return int(body.split(b"\n")[1]), base64.b64decode(body.split(b"\n")[2])
    sys.exit("A checkpoint is not signed by the audit key.")


def entries(folder, size):
    """Yield every entry out of bundles of 256, where each stands behind its length in two bytes."""
    for number, left in enumerate(range(size, 0, -256)):
        groups = [f"x{number // 1000**power % 1000:03d}/" for power in (2, 1) if number >= 1000**power]
        name = "".join(groups) + f"{number % 1000:03d}" + (f".p/{left}" if left < 256 else "")
        with (folder / "tile" / "entries" / name).open("rb") as bundle:
            yield from (bundle.read(int.from_bytes(bundle.read(2), "big")) for _ in range(min(256, left)))
            if bundle.read(1):
                sys.exit(f"Bundle {name} has more entries than were signed.")


sys.excepthook = lambda _kind, error, _trace: sys.stderr.write(f"{error}\n\n{__doc__}")
folder, audit, *files = sys.argv[1:]
audit, newest, *given = [Path(file).read_bytes() for file in (audit, Path(folder, "checkpoint"), *files)]
before, kept = ([raw for raw in given if raw.startswith(start)] for start in (b"-----BEGIN CERT", b"charger-station/"))
notes = [signed(newest, [audit]), *(signed(note, [audit, *before]) for note in kept)]
documents = [(raw, name) for raw, name in zip(given, files, strict=True) if raw not in before + kept]
wanted = {hashlib.sha256(raw).hexdigest().encode(): name for raw, name in documents}
peaks, size, proven, sizes = [], 0, set(), {note[0] for note in notes}
for entry in entries(Path(folder), notes[0][0]):
    node, number, size = hashlib.sha256(b"\0" + entry).digest(), size, size + 1
    while number & 1:
        node, number = hashlib.sha256(b"\1" + peaks.pop() + node).digest(), number >> 1
    peaks.append(node)
    if size in sizes:
        proven.add((size, reduce(lambda right, left: hashlib.sha256(b"\1" + left + right).digest(), peaks[::-1])))
    wanted.pop(entry[13:77] if entry.startswith(b'{"document":"') else None, None)
if lost := [f"the checkpoint of {note[0]} entries" for note in notes if note not in proven] + [*wanted.values()]:
    sys.exit(f"The log has nothing that fits {' and '.join(lost)}.")
sys.stdout.write(f"Good: {size} entries as signed; {len(kept)} older checkpoints and {len(documents)} documents fit.\n")

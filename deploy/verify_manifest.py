#!/usr/bin/env python3
"""Verify an export or a recall package with Python's own library and openssl.

verify_manifest.py MANIFEST RECORDS.pem: the files that MANIFEST names lie beside it, RECORDS.pem came another way.
Exit code 0 only if all is as it was signed. What the manifest says is printed.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def signed(envelope, certificate):
    """Return what stands in a DSSE envelope whose signature openssl verifies."""
    said, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    with tempfile.TemporaryDirectory() as folder:
        key, signature, message = (Path(folder, name) for name in ("key", "signature", "message"))
        key.write_bytes(subprocess.check_output(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"]))
        message.write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(said), said))
        for each in envelope["signatures"]:
            signature.write_bytes(base64.b64decode(each["sig"]))
            command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, message]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return json.loads(said)
    sys.exit("The manifest is not signed by this certificate: changed, or another factory's.")


def same(path, sha256):
    """Tell whether a file has a SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


if len(sys.argv) != 3:
    sys.exit(__doc__)
manifest, certificate = map(Path, sys.argv[1:])
try:
    statement = signed(json.loads(manifest.read_bytes()), certificate)
    files = {manifest.with_name(Path(one["name"]).name): one["digest"]["sha256"] for one in statement["subject"]}
    changed = [path.name for path, sha256 in files.items() if not same(path, sha256)]
except OSError as error:
    sys.exit(f"{error.filename} can't be read: {error.strerror}.")
except (ValueError, KeyError, TypeError):
    sys.exit(f"{manifest} is no signed manifest.")
except subprocess.CalledProcessError:
    sys.exit(f"{certificate} is no certificate in PEM.")
if changed or not files:
    sys.exit(f"Not what was signed: {', '.join(changed)}.")
sys.stdout.write(json.dumps(statement["predicate"], indent=2) + "\n")
sys.stdout.write(f"Good: {', '.join(path.name for path in files)} as signed.\n")

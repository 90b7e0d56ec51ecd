#!/usr/bin/env python3
"""Import a batch of chargers into a management system over REST: an example to copy, Python's own library alone.

    batch_importer.py BATCH.zip --anchor records.pem --url https://host:8443 --token-file token

It shows the five things that an importer of batches should do:
  1. verify the manifest's signature before anything else is read, with a certificate that came another way;
  2. believe no file before its SHA-256 was compared with the manifest;
  3. take units one by one, so that a large batch needs little memory and can be stopped at any time;
  4. key on serial and revision: the same again changes nothing, anything else is a conflict and is never overwritten;
  5. read back what was written and compare it.
Replace `charger_of` by your system's own form, and `Api` by its requests. Exit code 1: a unit was not imported.
"""

import argparse
import hashlib
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

MOST = {"manifest.json": 32 * 2**20, "manifest.sig": 256, "units.json": 2**30}
LONGEST_UNIT = 2**20
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, NotImplementedError)
SERIAL_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


class Refused(Exception):
    """The batch is not to be believed."""


def opened(path: Path, anchor: Path) -> tuple[zipfile.ZipFile, dict]:
    """Return the archive with its manifest, once the factory's signature over that was verified."""
    archive = zipfile.ZipFile(path)
    manifest, signature = (small(archive, name) for name in ("manifest.json", "manifest.sig"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "manifest").write_bytes(manifest)
        (place / "signature").write_bytes(signature)
        x509 = ["openssl", "x509", "-in", str(anchor), "-pubkey", "-noout", "-out", str(place / "key")]
        subprocess.run(x509, check=True, capture_output=True, timeout=60)
        verify = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "manifest"]
        done = subprocess.run(verify, cwd=place, check=False, capture_output=True, timeout=60)
    if done.returncode:
        raise Refused("the manifest was not signed by the factory")
    content = json.loads(manifest)
    if (content["schema"], content["version"]) != ("charger-station/batch", 1):
        raise Refused("this is a batch of another version")
    return archive, content


def small(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a file that is not pressed and not too long."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > MOST[name]:
        raise Refused(f"{name} is not as it should be")
    return archive.read(info)


def check_digest(archive: zipfile.ZipFile, manifest: dict, name: str) -> None:
    """Compare a file with the manifest; what is larger than the manifest says is not read to its end."""
    listed = next((each for each in manifest["files"] if each["name"] == name), None)
    if listed is None or listed["bytes"] > MOST.get(name, LONGEST_UNIT):
        raise Refused(f"{name} is not in the manifest, or too long")
    digest, left = hashlib.sha256(), listed["bytes"]
    with archive.open(name) as file:
        while block := file.read(min(2**20, left + 1)):
            digest.update(block)
            left -= len(block)
            if left < 0:
                break
    if left or digest.hexdigest() != listed["sha256"]:
        raise Refused(f"{name} is not what the manifest says")


def units(archive: zipfile.ZipFile, manifest: dict) -> Iterator[dict]:
    """Yield the units, which stand one in a line of `units.json`."""
    check_digest(archive, manifest, "units.json")
    with archive.open("units.json") as file:
        head = json.loads(file.readline(LONGEST_UNIT).rstrip() + b"]}")
        if head["batch"] != manifest["batch"]:
            raise Refused("units.json is of another batch")
        left = manifest["units"]
        while (line := file.readline(LONGEST_UNIT)) and not line.startswith(b"]"):
            unit = json.loads(line.rstrip().rstrip(b","))
            if not set(unit["serial"]) <= SERIAL_CHARACTERS:
                raise Refused("a serial number has characters that none has")
            left -= 1
            yield unit
        if left:
            raise Refused("units.json has other units than the manifest counts")


def charger_of(unit: dict) -> dict:
    """Return a unit in the form of the system that it is imported into."""
    same = ("serial", "ocpp_identity", "vendor", "model", "hardware", "ocpp_version", "security_profile", "endpoint",
            "work_order", "customer")  # fmt: skip
    outlet = ("evse", "connector", "letter", "type", "phases", "max_current_a", "max_power_w")
    meter = {"type": "", "serial": "", "approval": "", "public_key": ""}
    certificate = unit["certificate"]
    charger = {name: unit[name] for name in same} | {
        "firmware": unit["firmware"]["version"],
        "firmware_sha256": unit["firmware"]["sha256"],
        "connectors": [{"id": each["evse"]} | {name: each[name] for name in outlet} for each in unit["connectors"]],
        "certificate": {
            "sha256": certificate["sha256"],
            "common_name": certificate["common_name"],
            "serial_number": certificate["serial"],
        },
    }
    meters = [
        {"evse": each["evse"]} | {name: each.get(name, no) for name, no in meter.items()} for each in unit["meters"]
    ]
    numbers = [{"kind": each["kind"], "value": each["value"]} for each in unit["identifiers"]]
    return charger | ({"meters": meters} if meters else {}) | ({"identifiers": numbers} if numbers else {})


class Api:
    """The system's REST interface, over one connection that is kept."""

    def __init__(self, url: str, token: str, ca: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            self._connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=context)
        elif parts.hostname in ("127.0.0.1", "localhost", "::1"):
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        else:
            raise Refused("a token goes over https:// only, except on this computer")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        """Return status and JSON of an answer."""
        self._connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
        answer = self._connection.getresponse()
        try:
            found = json.loads(answer.read(2**20))
        except ValueError:
            found = None
        return answer.status, found if isinstance(found, dict) else {}


def imported(api: Api, unit: dict) -> str:
    """Import one unit, and return what became of it."""
    path, charger = f"/api/v1/chargers/{quote(unit['serial'], safe='')}", charger_of(unit)
    try:
        status, _ = api.call("PUT", f"{path}?revision={unit['revision']:d}", charger)
        if status == 409:
            return "conflict"
        if status not in (200, 201):
            return "rejected" if 400 <= status < 500 and status not in (408, 429) else "retryable"
        _, kept = api.call("GET", path)
    except (OSError, http.client.HTTPException):
        api._connection.close()  # noqa: SLF001 - it is opened again by the next request
        return "retryable"
    theirs = kept.get("charger")
    if (
        not isinstance(theirs, dict)
        or kept.get("revision") != unit["revision"]
        or not theirs.items() >= charger.items()
    ):
        return "conflict"
    return "created" if status == 201 else "unchanged"


def main() -> int:
    """Import a batch; the results are printed as `SERIAL RESULT`, one unit a line."""
    example = "batch_importer.py WO-1001.zip --anchor records.pem --url https://HOST --token-file token"
    parser = argparse.ArgumentParser(description="Import a batch of chargers.", epilog=f"example: {example}")
    parser.add_argument("batch", type=Path, help="the manufacturer's archive")
    parser.add_argument("--anchor", type=Path, required=True, help="the manufacturer's record certificate (PEM)")
    parser.add_argument("--url", required=True, help="of the charging management system")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the access token")
    parser.add_argument("--ca", help="root of the system's server certificate (PEM)")
    given, results = parser.parse_args(), Counter()
    try:
        archive, manifest = opened(given.batch, given.anchor)
        api = Api(given.url, given.token_file.read_text().strip(), given.ca)
        for unit in units(archive, manifest):
            result = imported(api, unit)
            results[result] += 1
            sys.stdout.write(f"{unit['serial']} {result}\n")
    except (Refused, OSError, subprocess.SubprocessError, *DAMAGED) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    sys.stderr.write(f"{manifest['batch']}: {', '.join(f'{count} {name}' for name, count in results.items())}\n")
    return 0 if set(results) <= {"created", "unchanged"} else 1


if __name__ == "__main__":
    sys.exit(main())

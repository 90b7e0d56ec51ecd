"""A shop that builds units in its records, without devices: orders of release bundles, runs, parts, releases."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from fixtures.sbom import sbom
from station.model import Outcome
from station.records import (
    Part,
    Records,
    RunRef,
    RunRequest,
    SerialBlock,
    StepResult,
    WorkOrder,
    open_records,
    upgrade,
)
from tests.labels import stick

IMAGE = "1f" * 32
ROOTS = ({"subject": "CN=Field Root 1", "sha256": "aa" * 32, "not_after": "2031-01-01T00:00:00.000Z"},)


@dataclass
class Shop:
    """Records with what is built in them."""

    records: Records
    built: int = 0

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator["Shop"]:
        """Open a new shop."""
        url = f"sqlite:///{folder / 'shop.db'}"
        upgrade(url)
        with open_records(url, "line1") as records:
            yield cls(records)

    def bundle(self, name: str, role: str = "application") -> str:
        """Keep a release bundle whose firmware is made of what `fixtures.sbom` says of a role; return its digest."""
        files = {"firmware/f/app.cdx.json": sbom(name, role, "1.4.0").decode(), "recipes/r.toml": "[recipe]"}
        binaries = {"firmware/f/app.bin": {"sha256": IMAGE, "size": 9}}
        document = rfc8785.dumps({"name": name, "revision": 1, "files": files, "binaries": binaries})
        return self.records.keep_bundle(name, 1, document, {}).digest

    def order(self, name: str, digest: str, prefix: str) -> str:
        """Make a work order."""
        block = SerialBlock(prefix, 1, 99)
        self.records.create_order(WorkOrder(name, "ac22", "ac22-eu", 1, digest, 50, "Owner", block, "test", "ship"))
        return name

    def run(self, order: str, uid: str, firmware: str = "1.4.0", operator: str = "operator-1") -> RunRef:
        """Open a run."""
        request = RunRequest(order, uid, "3", ("identify",), firmware, firmware_name="ac22-fw", operator=operator)
        return self.records.open_run(request)

    def failed(self, order: str, uid: str, **more: str) -> str:
        """Build a unit that fails, and return its serial."""
        run = self.run(order, uid, **more)
        self.records.close_run(run, Outcome.FAIL, fault="flash", reason="It did not start.")
        return self.unit_of(run)

    def released(self, order: str, uid: str, **more: str) -> str:
        """Build and release a unit, and return its serial."""
        run = self.run(order, uid, **more)
        unit = self.unit_of(run)
        step = self.records.start_step(run, 0, "identify", 1)
        self.records.finish_step(step, StepResult(Outcome.PASS))
        if not self.records.unit_history(unit).labels:  # type: ignore[union-attr]
            stick(self.records, unit, f"SN:{unit}")
        self.records.release(run, _passport(unit), b"s", "signer")
        return unit

    def part(self, unit: str, number: str) -> None:
        """Attach a contactor of a serial number."""
        self.records.attach(Part(unit, "contactor", "K1", serial=number), "operator-1")

    def unit_of(self, run: RunRef) -> str:
        """Return the unit of a run."""
        row = self.records.run(run)
        assert row is not None
        return row.unit


def _passport(unit: str) -> bytes:
    certificate = {"issuer": "CN=CA 1", "not_after": "2028-01-01T00:00:00.000Z", "sha256": _digest(unit)}
    content: dict[str, Any] = {"serial": unit, "certificate": certificate, "trust_anchors": list(ROOTS)}
    return json.dumps(content).encode()


def _digest(unit: str) -> str:
    return sha256(unit.encode()).hexdigest()

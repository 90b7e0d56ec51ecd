"""The ship state: everything of the environment the unit will live in, and nothing of the one it was tested in."""

import re
import ssl
from functools import partial
from hashlib import sha256

from pki.environment import Ship
from station.acceptance import watch_ship
from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.configure import write_configuration
from station.steps.credentials import install_credentials, write_file

EMPTY_CHAIN = b"\n"
"""What stands in the file of the test chain afterwards; some file systems keep no empty file."""


def ship(bench: Bench, deadline: Deadline) -> None:
    """Switch the unit to its ship environment and prove it at a stand-in for the real endpoint (F-K6, design 8.6)."""
    _check_cpms(bench)
    install_credentials(bench, Environment.SHIP, deadline)
    _write_anchors(bench, deadline)
    bench.progress(0.3)
    expected = bench.expected(Environment.SHIP)
    acceptance = bench.services.acceptance
    with acceptance.expect(expected) as visit:
        # The test endpoint stays open until the restart: a unit that lost it would try it again, and be counted.
        forget = partial(acceptance.forget, bench.unit.ocpp_identity)
        write_configuration(bench, Environment.SHIP, deadline, before_restart=forget)
        bench.end_visit()
        bench.progress(0.6)
        owner = bench.recipe.ship.owner if bench.recipe.product.renewal.performed else ""
        bench.take_checks(watch_ship(visit, bench.services.factory.bench_anchors(), deadline, owner=owner))
        bench.note(frames_sha256=visit.transcript_sha256())
    _prove_clean(bench, deadline)


def _check_cpms(bench: Bench) -> None:
    """Ask the CPMS before the unit becomes what ships: a record of another unit is a conflict (design 8.7)."""
    certificate = bench.services.issuer(Environment.SHIP).certificate(bench.unit.serial)
    bench.services.cpms.check_free(bench.unit.serial, certificate.sha256 if certificate else "")


def _write_anchors(bench: Bench, deadline: Deadline) -> None:
    """Trust the ship roots and, until the stand-in was seen, the bench's own root."""
    factory = bench.services.factory
    anchors = factory.issuer(Ship).anchors().pem + factory.bench_anchors()
    write_file(bench, bench.recipe.product.files.anchors, anchors, deadline)


def _prove_clean(bench: Bench, deadline: Deadline) -> None:
    """Read back that only ship anchors are left and nothing names the test environment (F-D5, F-K6).

    Raises:
        UnitError: Something of the bench or the test environment is still there.
    """
    files, wanted = bench.recipe.product.files, bench.services.factory.issuer(Ship).anchors().sha256
    found = fingerprints(bench.charger.read_file(files.anchors, deadline) or b"")
    if not bench.measure("ship_anchors", ",".join(found), expected=",".join(wanted)):
        raise UnitError(Defect.SHIP_STATE, "The device trusts other roots than those of its ship environment.")
    if files.chain_test != files.chain_ship:
        write_file(bench, files.chain_test, EMPTY_CHAIN, deadline)
    left = bench.settings_differ(bench.configuration(Environment.SHIP).readable, deadline)
    if left:
        raise UnitError(Defect.SHIP_STATE, f"After cleaning, {', '.join(sorted(left))} changed on the device.")


def fingerprints(bundle: bytes) -> tuple[str, ...]:
    """Return the SHA-256 of every certificate in a PEM bundle, in its order."""
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.DOTALL)
    return tuple(sha256(ssl.PEM_cert_to_DER_cert(block.decode())).hexdigest() for block in blocks)

"""Whom a device trusts, and who may issue for it: exactly what its environments say (F-D5, F-D8, F-C9, F-K5).

The roots of the test endpoint stay until the unit was seen at its ship endpoint: one that lost them before would reach
nobody any more.
"""

import re
import ssl
from collections.abc import Callable
from hashlib import sha256

from pki.environment import Environment as World
from pki.environment import Ship, Test
from station.acceptance import Arrival
from station.bench import Bench
from station.catalog.environments import EnvironmentDefinition, device_file, device_roots
from station.catalog.recipes import Recipe
from station.catalog.roots import Use
from station.clock import Deadline
from station.errors import ConfigError, Defect, UnitError
from station.model import Environment

NO_ROOTS = b"\n"
"""What stands in a file of roots that must hold none; some file systems keep no empty file."""
RootOf = Callable[[type[World]], str]
"""Return the SHA-256 of the root of a world's CA, as `Factory.root_sha256` does."""
WORLDS: dict[Environment, type[World]] = {Environment.TEST: Test, Environment.SHIP: Ship}


def check_issuers(root_of: RootOf, recipe: Recipe) -> None:
    """Refuse environments whose units another factory, or another world of this one, has to issue for (F-K5, F-D8).

    Raises:
        ConfigError: Names the environment and whose CA it asks for.
    """
    for environment in (recipe.test, recipe.ship):
        check_issuer(root_of, environment)
    if root_of(Test) not in recipe.test.trusted(Use.CSMS).sha256:
        told = "the root of this factory's acceptance server is not among them, so no unit would connect to it"
        raise ConfigError(
            f"environments/{recipe.test.name}.toml: environment: anchors: {told}",
            hint="Add pki/certificates/test-root.pem to the file.",
        )


def check_issuer(root_of: RootOf, environment: EnvironmentDefinition) -> None:
    """Refuse an environment that this factory's CA of its kind does not issue for.

    Raises:
        ConfigError: Names the environment and whose CA it asks for.
    """
    roots = {kind: root_of(world) for kind, world in WORLDS.items()}
    if environment.ca == roots[environment.kind]:
        return
    others = [kind for kind, root in roots.items() if root == environment.ca]
    wanted = f"that of its {others[0]} CA" if others else "of another factory"
    told = f"this factory's {environment.kind} CA has the root {roots[environment.kind]}, and the one here is {wanted}"
    raise ConfigError(
        f"environments/{environment.name}.toml: environment: ca: {told}",
        hint="Choose an environment of this factory; units of another are made with its own CAs.",
    )


def install_roots(
    bench: Bench,
    environment: Environment,
    deadline: Deadline,
    *,
    bench_root: bytes = b"",
    arrival: Arrival | None = None,
) -> None:
    """Converge on the roots of an environment, and for a while on the bench's own root beside those of the server.

    For the ship environment, roots of the test environment's server that the device trusts now stay beside them, until
    an `arrival` shows that the unit needs them no more.

    Raises:
        UnitError: A file does not read back equal.
    """
    files = bench.recipe.product.files
    staying = b"" if arrival or environment is Environment.TEST else roots_of_test(bench, deadline)
    for path, roots in device_roots(bench.recipe.environment(environment), files).items():
        before, after = (staying, bench_root) if path == files.anchors else (b"", b"")
        write_file(bench, path, before + roots.pem + after or NO_ROOTS, deadline)


def roots_of_test(bench: Bench, deadline: Deadline) -> bytes:
    """Return the roots of the test environment's server that the device trusts now (PEM)."""
    held = bench.charger.read_file(bench.recipe.product.files.anchors, deadline) or b""
    known = set(bench.recipe.test.trusted(Use.CSMS).sha256)
    return b"".join(block + b"\n" for block in _blocks(held) if _digest(block) in known)


def prove_roots(bench: Bench, environment: Environment, deadline: Deadline) -> None:
    """Read back by fingerprint that the device trusts the roots of an environment and no others.

    Raises:
        UnitError: It trusts others.
    """
    definition, files = bench.recipe.environment(environment), bench.recipe.product.files
    for use in Use:
        path = device_file(files, use)
        if not path:
            continue
        name = f"{environment}_anchors" if use is Use.CSMS else f"{environment}_{use}_roots"
        found = fingerprints(bench.charger.read_file(path, deadline) or b"")
        wanted = definition.trusted(use).sha256
        if not bench.measure(name, ",".join(sorted(found)), expected=",".join(sorted(wanted))):
            told = f"The device trusts other {use} roots than those of its {environment} environment."
            raise UnitError(Defect.SHIP_STATE if environment is Environment.SHIP else Defect.CONFIGURATION, told)


def fingerprints(bundle: bytes) -> tuple[str, ...]:
    """Return the SHA-256 of every certificate in a PEM bundle, in its order."""
    return tuple(_digest(block) for block in _blocks(bundle))


def _blocks(bundle: bytes) -> list[bytes]:
    return re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.DOTALL)


def _digest(block: bytes) -> str:
    return sha256(ssl.PEM_cert_to_DER_cert(block.decode())).hexdigest()


def write_file(bench: Bench, path: str, content: bytes, deadline: Deadline) -> None:
    """Write a file unless it is there already, and read it back.

    Raises:
        UnitError: The file does not read back equal.
    """
    if bench.charger.read_file(path, deadline) == content:
        return
    bench.charger.write_file(path, content, deadline)
    if bench.charger.read_file(path, deadline) != content:
        raise UnitError(Defect.CONFIGURATION, f"The device did not keep the file {path}.")

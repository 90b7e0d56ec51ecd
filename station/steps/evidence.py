"""Prove with the device's own keys that it is the unit whose earlier rows are about to count."""

from pki.environment import Ship, Test
from pki.errors import PkiError
from pki.issue import Issuer
from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.credentials import PROFILE, challenge, translated


def prove_identity(bench: Bench, deadline: Deadline) -> None:
    """Challenge the device with a key that this unit was given, before evidence of an earlier run counts (design 8.1).

    Hardware that cannot answer challenges proved itself by its hardware UID only, as its product declares.

    Raises:
        UnitError: The device holds none of the unit's keys.
    """
    if not bench.recipe.product.abilities.receipts or "challenged" in bench.proven:
        return
    try:
        held = _challenged(bench, Environment.SHIP, bench.services.factory.issuer(Ship), deadline) or _challenged(
            bench, Environment.TEST, bench.services.factory.issuer(Test), deadline
        )
    except PkiError as error:
        raise translated(error) from error
    if not held:
        raise UnitError(Defect.KEY, "The device holds none of the keys that this unit was given.")
    bench.proven.add("challenged")


def _challenged(bench: Bench, environment: Environment, issuer: Issuer[Test] | Issuer[Ship], deadline: Deadline) -> bool:
    key = issuer.current(bench.unit.serial, PROFILE)
    held = (bench.identity.keys or {}).get(bench.key_slot(environment))
    if key is None or held != key.spki:
        return False
    challenge(bench, environment, issuer, key, deadline)  # type: ignore[arg-type]
    return True

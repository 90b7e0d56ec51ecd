"""Prove with the device's own keys that it is the unit whose earlier rows are about to count."""

from pki.environment import Ship, Test
from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.passwords import told
from station.steps.credentials import Enrolment


def prove_identity(bench: Bench, deadline: Deadline) -> None:
    """Challenge the device with a key that this unit was given, before evidence of an earlier run counts (design 8.1).

    Hardware that cannot answer challenges proved itself by its hardware UID only, as its product declares.

    Raises:
        UnitError: The device holds none of the unit's keys.
    """
    if not bench.recipe.product.abilities.receipts or "challenged" in bench.proven:
        return
    factory = bench.services.factory
    with told():
        held = (
            Enrolment(bench, Environment.SHIP, factory.issuer(Ship), deadline).challenged()
            or Enrolment(bench, Environment.TEST, factory.issuer(Test), deadline).challenged()
        )
    if not held:
        raise UnitError(Defect.KEY, "The device holds none of the keys that this unit was given.")
    bench.proven.add("challenged")

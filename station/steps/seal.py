"""Seal: the last write to the device, with its intent durable before and its effect read back after (F-D13, F-K4)."""

from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment


def seal(bench: Bench, deadline: Deadline) -> None:
    """Lock the device and read back what it shows of its protection.

    Raises:
        UnitError: The device is not as closed as its product demands.
    """
    bench.identity = bench.charger.identify(deadline)
    if not bench.identity.locked:
        bench.services.records.event("seal-intended", bench.unit.serial, {"run": str(bench.run)})
        bench.charger.lock(deadline)
        bench.identity = bench.charger.identify(deadline)
    if not bench.measure("locked", bench.identity.locked, expected=True):
        raise UnitError(Defect.LOCK, "The device says that it is locked, and is not.")
    _check_protection(bench, deadline)
    _check_test_key(bench)


def _check_protection(bench: Bench, deadline: Deadline) -> None:
    expects = bench.recipe.product.seal.expects
    found = bench.charger.read_settings(tuple(expects), deadline) if expects else {}
    for key, wanted in expects.items():
        value = (found.get(key) or b"").decode(errors="replace")
        if not bench.measure(key, value, expected=wanted):
            raise UnitError(Defect.LOCK, f"{key} is '{value}' after locking; the product demands '{wanted}'.")


def _check_test_key(bench: Bench) -> None:
    if not bench.recipe.product.abilities.erases_test_key:
        return
    left = (bench.identity.keys or {}).get(Environment.TEST.value, b"")
    if not bench.measure("test_key_erased", not left, expected=True):
        raise UnitError(Defect.SHIP_STATE, "The key of the test environment is still in the locked device.")

"""A unit that was released before and comes back: compare it with its record, and write nothing (F-B7)."""

from pki.environment import Ship
from pki.proof import Proof as KeyProof
from station.bench import Services
from station.catalog.recipes import Recipe
from station.clock import Deadline
from station.drivers import Challenges, Charger, ability
from station.errors import Defect, UnitError
from station.model import DeviceIdentity
from station.passwords import told
from station.steps.credentials import NONCE_BYTES, PROFILE


def verify_released(
    services: Services, recipe: Recipe, charger: Charger, identity: DeviceIdentity, serial: str, deadline: Deadline
) -> None:
    """Check that the device is locked, bears its serial, and signs with the ship key that it was released with.

    Raises:
        UnitError: It is not as it was released.
    """
    abilities = recipe.product.abilities
    if not identity.locked:
        raise UnitError(Defect.LOCK, f"Unit {serial} was released locked, and is not locked now.")
    if abilities.serial and identity.serial != serial:
        raise UnitError(Defect.WRONG_UNIT, f"The device of unit {serial} bears the serial number {identity.serial}.")
    if not abilities.receipts:
        return
    slot = "ship" if abilities.key_slots else ""
    issuer = services.factory.issuer(Ship)
    with told():
        key = issuer.current(serial, PROFILE)
        nonce = services.factory.random(NONCE_BYTES)
        proof = ability(charger, Challenges).challenge(slot, nonce, deadline)
        if key is None:
            raise UnitError(Defect.KEY, f"The key of unit {serial} is revoked.")
        issuer.confirm(key, KeyProof("challenge", identity.uid, nonce, proof.spki, proof.signature))

"""Bring a device back to a blank one (F-L2): an unlocked one forgets what it was given, a locked one needs an image.

That image is signed with the product's recovery key, which signs nothing else; without it a locked device stays as it
is. Whatever was done before a cut of power is done again: blank is what the device shows, not what was ordered.
"""

from collections.abc import Iterator

from station.bench import Bench
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe
from station.clock import Deadline
from station.drivers import Charger, Erasable, Recoverable, ability
from station.errors import Defect, UnitError
from station.model import DeviceIdentity, Environment, Phase
from station.steps.flash import flash
from station.steps.identify import derive_phase

SCRAP_IT = "Put the unit aside: it can only be scrapped."


def recoverable(recipe: Recipe, identity: DeviceIdentity) -> bool:
    """Tell whether a device in this state has a way back to a blank one."""
    return not identity.locked or recipe.release.recovery is not None


def reimage(bench: Bench, deadline: Deadline) -> None:
    """Erase what the device was given, write the released firmware, and read back that it is blank.

    Raises:
        UnitError: It is locked and has no way back, refuses the way it has, or is not blank afterwards.
    """
    if bench.charger.in_recovery(deadline):  # cut off behind the recovery image
        first_firmware(bench, deadline)
    bench.identity = bench.charger.identify(deadline)
    if bench.identity.locked:
        _unlock(bench, deadline)
        first_firmware(bench, deadline)
    else:
        ability(bench.charger, Erasable).erase_storage(deadline)
        bench.restart(deadline)
    bench.identity = bench.charger.identify(deadline)
    flash(bench, deadline)
    _prove_blank(bench, deadline)


def first_firmware(bench: Bench, deadline: Deadline) -> None:
    """Give a device without a bootable image the released application."""
    for share in write_first(bench.charger, bench.recipe, deadline):
        bench.progress(share)


def write_first(charger: Charger, recipe: Recipe, deadline: Deadline) -> Iterator[float]:
    """Write the released application through the bootloader and start it, yielding the share that is written."""
    content, _ = load_image(recipe.release.image[0])
    for written in charger.write_firmware(content, deadline):
        yield written / len(content)
    charger.restart(deadline)


def _unlock(bench: Bench, deadline: Deadline) -> None:
    """Let the recovery image make a locked device blank.

    Raises:
        UnitError: There is none for it, or its bootloader refuses it.
    """
    rule = bench.recipe.release.recovery
    if rule is None:
        message = f"The device is locked, and firmware {bench.recipe.release.name} has no recovery image for it."
        raise UnitError(Defect.LOCK, message, hint=SCRAP_IT)
    content, image = load_image(rule)
    bench.note(recovery_sha256=rule.sha256, recovery_key_sha256=rule.key_sha256)
    for written in ability(bench.charger, Recoverable).recover(content, image.digest, deadline):
        bench.progress(written / len(content))


def _prove_blank(bench: Bench, deadline: Deadline) -> None:
    """Read back that nothing of what the device was given is left.

    Raises:
        UnitError: Something is.
    """
    bench.identity = found = bench.charger.identify(deadline)
    left = [
        name for name, there in _left(bench, found, deadline).items() if not bench.measure(name, there, expected=False)
    ]
    bench.phase = derive_phase(bench, deadline)
    if left or not bench.measure("phase", bench.phase.name.lower(), expected=Phase.BLANK.name.lower()):
        message = f"The device is not blank after it was erased: {', '.join(left) or bench.phase.name.lower()}."
        raise UnitError(Defect.STALE_STATE, message, hint=SCRAP_IT)


def _left(bench: Bench, found: DeviceIdentity, deadline: Deadline) -> dict[str, bool]:
    files = bench.recipe.product.files
    paths = (files.anchors, *(files.chain(environment) for environment in Environment))
    return {
        "locked": found.locked,
        "key": found.has_key,
        "certificate": found.has_certificate,
        "serial_number": bool(found.serial),
        **{path: bench.charger.read_file(path, deadline) is not None for path in paths},
    }

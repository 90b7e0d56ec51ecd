"""Prove the way back: firmware that does not start, and firmware that nobody signed, leave the known-good one running.

Done on the first article of a recipe at a station, and the units after it stand on that proof and say so; or on every
unit, where the recipe wants it (F-C5, F-C9).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from station.bench import Bench
from station.catalog.firmware import Release
from station.catalog.mcuboot_image import with_wrong_signature
from station.catalog.products import Product
from station.clock import Deadline
from station.errors import ConfigError, Defect, LinkError, UnitError
from station.model import ImageState
from station.steps.slots import Member, member, note_slots, running, security_counter, settle, shown, write

STEP = "update"
REVERTED, REFUSED = "reverted", "refused"
"""What a device says of its last start: the image did not prove itself; the image was none that may run."""


class When(StrEnum):
    """On which units the update path is proven."""

    FIRST_ARTICLE = "first-article"
    ALWAYS = "always"


@dataclass(frozen=True)
class UpdateOptions:
    """Options of the step `update`."""

    when: When = When.FIRST_ARTICLE


def update(bench: Bench, deadline: Deadline) -> None:
    """Offer the device an image that does not start and one with a wrong signature, and see it keep what it has.

    Raises:
        ConfigError: The release has no rollback image, or the hardware does not tell how it started.
        UnitError: The device runs something else afterwards, or says something else.
    """
    proof = bench.services.records.proof_of(bench.recipe.digest, STEP)
    if proof is not None and bench.options(UpdateOptions).when is When.FIRST_ARTICLE:
        bench.measure("update_path", f"proven in step {proof.station}/{proof.sequence}")
        return
    bad, good = _rollback(bench), member(bench.recipe.release.image[0])
    forged = replace(bad, content=with_wrong_signature(bad.content))
    before = security_counter(bench, deadline)
    _kept(bench, good, deadline)
    _offer(bench, good, bad, REVERTED, deadline)
    _offer(bench, good, forged, REFUSED, deadline)
    settle(bench, good, frozenset(), deadline)
    after = security_counter(bench, deadline)
    if before is not None and not bench.measure("security_counter", float(after or 0), expected=float(before)):
        raise UnitError(Defect.FIRMWARE, f"The anti-rollback counter went from {before} to {after}.")
    note_slots(bench, "slots_after", deadline)
    bench.measure("update_path", "proven on this unit")


def unprovable(product: Product, release: Release) -> str:
    """Return why nothing can be proven with this product and release, as a sentence; empty if it can."""
    if not product.reports.boot_result:
        return f"product {product.name} has no reports.boot_result, which shows how it started: leave '{STEP}' out"
    if release.rollback is None:
        return f"firmware {release.name} has no [rollback] image: add one, or leave '{STEP}' out"
    return ""


def _rollback(bench: Bench) -> Member:
    """Return the image that does not start; that there is one was checked when the recipe was loaded.

    Raises:
        ConfigError: There is none.
    """
    product, release = bench.recipe.product, bench.recipe.release
    if release.rollback is None or not product.reports.boot_result:
        raise ConfigError(unprovable(product, release))
    return member(release.rollback)


def _kept(bench: Bench, good: Member, deadline: Deadline) -> ImageState:
    """Return the known-good image's slot.

    Raises:
        UnitError: Something else runs, or it is not confirmed.
    """
    state = running(bench, 0, deadline)
    if state is None or state.digest != good.image.digest or not state.confirmed:
        runs = state.version if state else "nothing"
        message = f"The device runs {runs} where {good.title} was to be kept."
        raise UnitError(Defect.FIRMWARE, message, hint="Put the unit aside: it does not come back from a bad update.")
    return state


def _come_back(bench: Bench, deadline: Deadline) -> None:
    """Restart the device.

    Raises:
        UnitError: It stays away, which after such an image is the device's fault and not the cable's.
    """
    try:
        bench.restart(deadline)
    except LinkError as error:
        message = "The device does not come back from a bad image."
        raise UnitError(
            Defect.FIRMWARE, message, hint="Put the unit aside: nothing would save it in the field."
        ) from error


def _offer(bench: Bench, good: Member, bad: Member, expected: str, deadline: Deadline) -> None:
    """Write a bad image, have it tried, and require that the known-good one runs and tells what happened."""
    write(bench, bad, deadline)
    bench.charger.try_firmware(bad.image.digest, deadline)
    _come_back(bench, deadline)
    _kept(bench, good, deadline)
    result = shown(bench, bench.recipe.product.reports.boot_result, deadline)
    if not bench.measure(f"boot_of_{expected}_image", result, expected=expected):
        message = f"The device calls its start '{result}' where it had to be '{expected}'."
        raise UnitError(Defect.FIRMWARE, message, hint="Put the unit aside: its bootloader does not protect it.")

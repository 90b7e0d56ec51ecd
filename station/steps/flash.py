"""Write the release image, then prove by reading back that the device runs exactly that image, and keeps it."""

from station.bench import Bench
from station.catalog.firmware import CheckedImage, ImageRule, load_image
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import ImageState

COUNTER_DIGITS = 10


def flash(bench: Bench, deadline: Deadline) -> None:
    """Bring the device to the released firmware and prove it (F-C1, F-C3, F-C6).

    "Upload accepted" and "test accepted" prove nothing: only what runs after a restart does, and after another one.
    """
    for rule in bench.recipe.release.image:
        content, image = load_image(rule)
        _refuse_unsuited(bench, rule, image)
        _refuse_rollback(bench, image, deadline)
        _converge(bench, content, image, deadline)
        _refuse_rollback(bench, image, deadline)
        bench.measure(f"{rule.role}_version", bench.identity.firmware or image.version)
        bench.note(**{f"{rule.role}_sha256": rule.sha256, f"{rule.role}_digest": image.digest.hex()})


def _refuse_unsuited(bench: Bench, rule: ImageRule, image: CheckedImage) -> None:
    """Check the image against this very device, before anything is written."""
    hardware = bench.identity.hardware
    if hardware and hardware not in rule.hardware:
        raise UnitError(Defect.WRONG_HARDWARE, f"Firmware {image.version} is not for hardware {hardware}.")


def _refuse_rollback(bench: Bench, image: CheckedImage, deadline: Deadline) -> None:
    """Compare the device's anti-rollback counter with the image's: it is never to be lowered (F-C6)."""
    key = bench.recipe.product.security_counter
    if not key:
        return
    raw = bench.charger.read_settings((key,), deadline)[key] or b""
    if not raw.isdigit() or len(raw) > COUNTER_DIGITS:
        raise UnitError(Defect.FIRMWARE, "The device does not show its anti-rollback counter, as its product declares.")
    if not bench.measure_within("security_counter", float(raw), "", 0, image.security_counter):
        message = (
            f"The device's anti-rollback counter is {int(raw)}; firmware {image.version} has {image.security_counter}."
        )
        raise UnitError(Defect.FIRMWARE, message)


def _converge(bench: Bench, content: bytes, image: CheckedImage, deadline: Deadline) -> None:
    running = _active(bench, deadline)
    if running is None or running.digest != image.digest:
        _write(bench, content, deadline)
        bench.charger.try_firmware(image.digest, deadline)
        running = _restarted_into(bench, image, deadline)
    if not running.confirmed:
        bench.charger.confirm_firmware(image.digest, deadline)
        running = _restarted_into(bench, image, deadline)
    if not running.confirmed:
        raise UnitError(Defect.FIRMWARE, f"The device does not keep firmware {image.version} as confirmed.")


def _write(bench: Bench, content: bytes, deadline: Deadline) -> None:
    for written in bench.charger.write_firmware(content, deadline):
        bench.progress(0.9 * written / len(content))


def _restarted_into(bench: Bench, image: CheckedImage, deadline: Deadline) -> ImageState:
    """Restart the device and return what runs then.

    Raises:
        UnitError: Something else runs: the bootloader refused the image, or the flash did not keep it.
    """
    bench.restart(deadline)
    running = _active(bench, deadline)
    if running is None or running.digest != image.digest:
        found = running.version if running else "nothing"
        message = f"The device refused firmware {image.version} at boot; it runs {found}."
        raise UnitError(Defect.FLASH, message, hint="Put the unit aside for rework: flash memory or bootloader key.")
    return running


def _active(bench: Bench, deadline: Deadline) -> ImageState | None:
    return next((state for state in bench.charger.firmware(deadline) if state.active), None)

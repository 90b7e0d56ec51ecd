"""Who is in the slot, how far it has come, and whether this order may build it."""

from collections.abc import Mapping

from station.bench import Bench
from station.catalog.hardware import Hardware
from station.catalog.products import Product
from station.clock import Deadline
from station.drivers import SerialNumbers, ability
from station.errors import Defect, UnitError
from station.model import DeviceIdentity, Environment, KeyOrigin, Phase
from station.steps.refusals import is_refused_endpoint

LONGEST_SHOWN = 60


def identify(bench: Bench, deadline: Deadline) -> None:
    """Read the hardware's identity before any write, compare it with the product, and derive the phase (F-B2, F-A5)."""
    bench.identity = found = bench.charger.identify(deadline)
    bench.measure("hardware_uid", found.uid.hex(), expected=bench.unit.hardware_uid.hex())
    if found.uid != bench.unit.hardware_uid:
        raise UnitError(Defect.WRONG_UNIT, f"Another device answers in this slot: {found.uid.hex()}.")
    _check_hardware(bench, found, deadline)
    _check_abilities(bench, found)
    if found.serial not in ("", bench.unit.serial):
        raise UnitError(Defect.DUPLICATE_IDENTITY, f"The device already bears the serial number {found.serial}.")
    bench.phase = derive_phase(bench, deadline)
    bench.note(phase=bench.phase.name.lower(), firmware=found.firmware, not_shown=list(bench.recipe.product.not_shown))


def _check_hardware(bench: Bench, found: DeviceIdentity, deadline: Deadline) -> None:
    product = bench.recipe.product
    bench.measure("model", found.model, expected=product.model)
    if found.model != product.model:
        raise _wrong(f"The device is a {found.model}; the order builds {product.model}.")
    revision = _revision(bench, found, deadline)
    bench.hardware = revision.revision if revision else ""
    _check_variant(bench, revision, deadline)


def _revision(bench: Bench, found: DeviceIdentity, deadline: Deadline) -> Hardware | None:
    """Recognise the hardware revision: by what the device says, else by what its settings show.

    Raises:
        UnitError: It is none that the product is built on.
    """
    product = bench.recipe.product
    named = next((hardware for hardware in product.hardware if hardware.revision == found.hardware), None)
    if found.hardware and named is None:
        bench.measure("hardware", found.hardware, expected=" / ".join(product.revisions))
        raise _wrong(
            f"Hardware {found.hardware} is not one of {', '.join(product.revisions)} that {product.model} is built on."
        )
    if named is not None:
        bench.measure("hardware", found.hardware, expected=found.hardware)
        return named
    told = [hardware for hardware in product.hardware if hardware.shows]
    matching = [hardware for hardware in told if not bench.settings_differ(_encoded(hardware.shows), deadline)]
    if told and len(matching) != 1:
        raise _wrong(f"The device shows none of the hardware revisions {', '.join(product.revisions)}, or several.")
    return matching[0] if matching else None


def _check_variant(bench: Bench, hardware: Hardware | None, deadline: Deadline) -> None:
    """Compare what the hardware shows of its variant with what is to be built: before any write (F-A5, P07).

    Raises:
        UnitError: It is another variant; says what it shows and what was expected.
    """
    expected = {**bench.recipe.product.variant, **(hardware.shows if hardware else {})}
    found = bench.charger.read_settings(tuple(expected), deadline) if expected else {}
    shown = {key: (found.get(key) or b"").decode(errors="replace")[:LONGEST_SHOWN] for key in expected}
    wrong = [key for key, value in expected.items() if not bench.measure(key, shown[key], expected=value)]
    if wrong:
        words = bench.recipe.product.words
        told = ", ".join(f"its {words.get(key, key)} is '{shown[key]}' and not '{expected[key]}'" for key in wrong)
        raise _wrong(f"The device is another variant than {bench.recipe.product.name}: {told}.")


def _encoded(values: Mapping[str, str]) -> dict[str, bytes]:
    return {key: value.encode() for key, value in values.items()}


def _wrong(message: str) -> UnitError:
    return UnitError(Defect.WRONG_HARDWARE, message, hint="Take the unit to the line that builds its variant.")


def _check_abilities(bench: Bench, found: DeviceIdentity) -> None:
    """Refuse hardware that shows less than its product declares: a missing proof must never pass unseen."""
    missing = missing_abilities(bench.recipe.product, found)
    if bench.recipe.file.key_origin is KeyOrigin.HSM and found.transport is None:
        missing = (*missing, "a transport key for keys born in the HSM")
    if missing:
        raise UnitError(Defect.WRONG_HARDWARE, f"The device does not offer {', '.join(missing)}.")


def missing_abilities(product: Product, found: DeviceIdentity) -> tuple[str, ...]:
    """Return what the product declares and the device does not announce."""
    declared = product.abilities
    checks = (
        (declared.key_slots and found.keys is None, "separate key slots"),
        (declared.receipts and "challenge" not in found.abilities, "signed receipts"),
        (declared.certificate_readback and "certificate-read" not in found.abilities, "certificate read-back"),
        (declared.serial and "serial" not in found.abilities, "a serial number store"),
    )
    return tuple(text for lacks, text in checks if lacks)


def derive_phase(bench: Bench, deadline: Deadline) -> Phase:
    """Derive how far the device has come, from the device alone.

    Raises:
        UnitError: The device points at an endpoint that this recipe does not know.
    """
    if bench.identity.locked:
        return Phase.SEALED
    key = bench.recipe.product.configuration["ocpp_url"].key
    raw = bench.charger.read_settings((key,), deadline)[key]
    endpoint = (raw or b"").decode(errors="replace")
    if not endpoint:
        return Phase.TEST if bench.identity.has_key else Phase.BLANK
    if is_refused_endpoint(endpoint):
        return Phase.TEST
    for phase, environment in ((Phase.SHIP, Environment.SHIP), (Phase.TEST, Environment.TEST)):
        if endpoint == bench.recipe.environment(environment).endpoint:
            return phase
    raise UnitError(Defect.STALE_STATE, "The device is set up for an endpoint that this recipe does not know.")


def admit(bench: Bench, deadline: Deadline) -> None:
    """Check that this unit may be built now, and give the device its serial number (F-B5, F-L5)."""
    failed = bench.services.records.failed_runs(bench.unit.serial)
    bench.measure("failed_runs", float(failed))
    if failed >= bench.recipe.file.max_attempts:
        raise UnitError(Defect.STALE_STATE, f"{failed} runs of this unit have failed.", hint="Take the unit to rework.")
    for environment in Environment:
        bench.note(**{f"{environment}_configuration": bench.configuration(environment).sha256})
    if bench.recipe.product.abilities.serial and bench.identity.serial != bench.unit.serial:
        _assign_serial(bench, deadline)


def _assign_serial(bench: Bench, deadline: Deadline) -> None:
    ability(bench.charger, SerialNumbers).assign_serial(bench.unit.serial, deadline)
    bench.identity = bench.charger.identify(deadline)
    if not bench.measure("device_serial", bench.identity.serial, expected=bench.unit.serial):
        raise UnitError(Defect.CONFIGURATION, "The device did not keep its serial number.")

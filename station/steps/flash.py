"""Write the released firmware, every member of it, then prove by reading back that the device runs it, and keeps it."""

from station.bench import Bench
from station.catalog.firmware_manifest import ordered
from station.catalog.restrictions import refusal
from station.clock import Deadline
from station.errors import ConfigError, Defect, UnitError
from station.model import ImageState
from station.steps.slots import (
    COUNTER_DIGITS,
    Member,
    member,
    note_slots,
    released_form,
    running,
    security_counter,
    settle,
    shown,
    write,
)


def flash(bench: Bench, deadline: Deadline) -> None:
    """Bring the device to the released set and prove it (F-C1 to F-C7).

    "Upload accepted" and "test accepted" prove nothing: only what runs after a restart does, and after another one.
    All members start together, because they were tested together.
    """
    members = tuple(member(rule) for rule in bench.recipe.release.image)
    _refuse_withdrawn(bench)
    _refuse_unsuited(bench, members)
    _check_bootloader(bench, deadline)
    before = _counter_before(bench, members[0], deadline)
    _end_unfinished(bench, members, deadline)
    note_slots(bench, "slots_before", deadline)
    known = _refuse_newer(bench, members, deadline)
    _converge(bench, members, deadline)
    for found in members:
        _prove(bench, found, deadline)
        settle(bench, found, known, deadline)
    _counter_after(bench, members[0], before, deadline)
    _check_schema(bench, deadline)
    note_slots(bench, "slots_after", deadline)


def _refuse_withdrawn(bench: Bench) -> None:
    """Refuse what was withdrawn, or fell below the minimum, since this run began (F-C4).

    Raises:
        ConfigError: It is no fault of the unit; nothing was written.
    """
    reason = refusal(bench.recipe, bench.services.records.restrictions())
    if reason:
        raise ConfigError(reason, hint="Ask the line lead for an order with an approved bundle.")


def _refuse_unsuited(bench: Bench, members: tuple[Member, ...]) -> None:
    """Check the images against this very device, before anything is written."""
    hardware = bench.hardware
    for found in members:
        if hardware and hardware not in found.rule.hardware:
            raise UnitError(Defect.WRONG_HARDWARE, f"Firmware {found.title} is not for hardware {hardware}.")


def _check_bootloader(bench: Bench, deadline: Deadline) -> None:
    """Compare what the device tells of its bootloader with the release: version, and the key that it trusts."""
    reports, release = bench.recipe.product.reports, bench.recipe.release
    for reported in release.reported:
        bench.measure(f"{reported.role}_sbom_sha256", reported.sbom.sha256)
        if reports.bootloader:
            version = released_form(shown(bench, reports.bootloader, deadline))
            if not bench.measure(f"{reported.role}_version", version, expected=reported.version):
                message = (
                    f"The device's {reported.role} is '{version}'; firmware {release.name} needs {reported.version}."
                )
                raise UnitError(Defect.FIRMWARE, message)
    if reports.update_key:
        key = shown(bench, reports.update_key, deadline)
        if not bench.measure("update_key_sha256", key, expected=release.image[0].key_sha256):
            message = "The device's bootloader does not trust the key that signed the release."
            raise UnitError(Defect.FIRMWARE, message, hint="Put the unit aside: it has another bootloader.")


def _counter_before(bench: Bench, application: Member, deadline: Deadline) -> int | None:
    """Compare the device's anti-rollback counter with the image's before the device is touched (F-C6)."""
    found, ours = security_counter(bench, deadline), application.image.security_counter
    if found is not None and not bench.measure_within("security_counter_before", float(found), "", 0, ours):
        message = f"The device's anti-rollback counter is {found}; firmware {application.rule.version} has {ours}."
        raise UnitError(Defect.FIRMWARE, message)
    return found


def _counter_after(bench: Bench, application: Member, before: int | None, deadline: Deadline) -> None:
    """Require the released counter: never lower than before, and raised, so that older firmware is refused."""
    found, ours = security_counter(bench, deadline), application.image.security_counter
    if before is None or found is None:
        return
    if not bench.measure_within("security_counter", float(found), "", max(before, ours), ours):
        message = f"The device's anti-rollback counter is {found} instead of {ours}; it was {before} before."
        raise UnitError(Defect.FIRMWARE, message)


def _end_unfinished(bench: Bench, members: tuple[Member, ...], deadline: Deadline) -> None:
    """Let the bootloader end what an interrupted run began, which would undo half of what this run begins.

    A set that runs as a whole and only waits to be confirmed is no such thing.
    """
    states = bench.charger.firmware(deadline)
    whole = all(_runs(bench, found, deadline) for found in members)
    begun = [state for state in states if state.pending or (state.active and not state.confirmed and not whole)]
    if begun:
        bench.note(unfinished=[f"image {state.image}: {state.version}" for state in begun])
        bench.restart(deadline)


def _refuse_newer(bench: Bench, members: tuple[Member, ...], deadline: Deadline) -> frozenset[bytes]:
    """Refuse a device with newer firmware than the released one, and return the digests of what runs (F-C3).

    Older firmware is what the station is there to replace; newer firmware comes from somewhere else.
    """
    states = [running(bench, found.rule.number, deadline) for found in members]
    for found, state in zip(members, states, strict=True):
        if state is not None and ordered(released_form(state.version)) > ordered(found.rule.version):
            message = (
                f"The device runs {found.rule.role} {state.version}, newer than the released {found.rule.version}."
            )
            raise UnitError(Defect.FIRMWARE, message, hint="Put the unit aside: find out who wrote its firmware.")
    return frozenset(state.digest for state in states if state is not None)


def _converge(bench: Bench, members: tuple[Member, ...], deadline: Deadline) -> None:
    missing = [found for found in members if not _runs(bench, found, deadline)]
    for index, found in enumerate(missing):
        write(bench, found, deadline, begin=0.9 * index / len(missing), end=0.9 * (index + 1) / len(missing))
    for found in missing:
        bench.charger.try_firmware(found.image.digest, deadline)
    if missing:
        bench.restart(deadline)
    states = [_started(bench, found, deadline) for found in members]
    fresh = [found for found, state in zip(members, states, strict=True) if not state.confirmed]
    for found in fresh:
        bench.charger.confirm_firmware(found.image.digest, deadline)
    if fresh:
        bench.restart(deadline)


def _runs(bench: Bench, found: Member, deadline: Deadline) -> bool:
    state = running(bench, found.rule.number, deadline)
    return state is not None and state.digest == found.image.digest


def _started(bench: Bench, found: Member, deadline: Deadline) -> ImageState:
    """Return what runs in a member's place.

    Raises:
        UnitError: Something else runs: the bootloader refused the image, or the flash did not keep it.
    """
    state = running(bench, found.rule.number, deadline)
    if state is None or state.digest != found.image.digest:
        runs = state.version if state else "nothing"
        message = f"The device refused firmware {found.title} at boot; it runs {runs}."
        raise UnitError(Defect.FLASH, message, hint="Put the unit aside for rework: flash memory or bootloader key.")
    return state


def _prove(bench: Bench, found: Member, deadline: Deadline) -> None:
    """Record that a member runs, is kept, and says the version that was released.

    Raises:
        UnitError: It is another one, older or newer, or is not kept.
    """
    rule, state = found.rule, _started(bench, found, deadline)
    if not state.confirmed:
        raise UnitError(Defect.FIRMWARE, f"The device does not keep firmware {found.title} as confirmed.")
    told = {released_form(state.version)}
    if rule.number == 0 and bench.identity.firmware:
        told.add(released_form(bench.identity.firmware))
    if not bench.measure(f"{rule.role}_version", " / ".join(sorted(told)), expected=rule.version):
        raise UnitError(Defect.FIRMWARE, f"The device says {' and '.join(sorted(told))} where {found.title} runs.")
    if rule.sbom is not None:
        bench.measure(f"{rule.role}_sbom_sha256", rule.sbom.sha256)
    bench.note(**{f"{rule.role}_sha256": rule.sha256, f"{rule.role}_digest": found.image.digest.hex()})
    if found.image.encrypted:
        bench.note(**{f"{rule.role}_encrypted": "The digest is of the plain image; only the device could compute it."})


def _check_schema(bench: Bench, deadline: Deadline) -> None:
    """Require that the running firmware reads configuration of a version that the release declares (F-C7)."""
    key, (low, high) = bench.recipe.product.reports.configuration_schema, bench.recipe.release.schema
    if not key:
        return
    raw = shown(bench, key, deadline)
    version = int(raw) if raw.isdecimal() and len(raw) <= COUNTER_DIGITS else -1
    if not bench.measure_within("configuration_schema", float(version), "", low, high):
        message = f"The device reads configuration schema '{raw}'; the release declares {low} to {high}."
        raise UnitError(Defect.CONFIGURATION, message)

"""The unit's configuration: rendered, written, kept over a restart, and compared with what was meant."""

from collections.abc import Callable, Collection
from functools import partial

from station.bench import Bench
from station.catalog.rendered import Configuration, shown_flags
from station.clock import Deadline
from station.drivers import Clocks, ability
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.passwords import write_password
from station.steps.refusals import prove_refusals


def configure(bench: Bench, deadline: Deadline) -> None:
    """Write the test environment's configuration, restart, and read it back (F-E1, F-B5)."""
    if bench.recipe.product.abilities.clock:
        ability(bench.charger, Clocks).set_clock(deadline)
    bench.expect_visit()
    prove_refusals(bench, partial(_prepare, bench, deadline), deadline)
    write_configuration(bench, Environment.TEST, deadline)
    if bench.recipe.product.abilities.clock:
        _check_clock(bench, deadline)


def _prepare(bench: Bench, deadline: Deadline) -> None:
    """Write all but the endpoint, without which a unit does not try to connect anywhere."""
    write_values(bench, Environment.TEST, deadline, without=("ocpp_url",))
    write_password(bench, Environment.TEST, deadline)


def nothing() -> None:
    """Do nothing."""


def write_configuration(
    bench: Bench, environment: Environment, deadline: Deadline, before_restart: Callable[[], None] = nothing
) -> None:
    """Converge on the configuration of an environment; the device is restarted in any case.

    Raises:
        UnitError: A value did not survive the restart; names the keys, never the values.
    """
    write_values(bench, environment, deadline)
    before_restart()
    bench.restart(deadline)
    confirm_configuration(bench, environment, deadline)


def write_values(bench: Bench, environment: Environment, deadline: Deadline, without: Collection[str] = ()) -> None:
    """Write what differs of an environment's configuration over the cable, but for some of our names.

    A device that is not told its endpoint here is not given the password for it either.
    """
    configuration = bench.configuration(environment)
    _refuse_other_flags(bench, configuration, deadline)
    differing = bench.settings_differ(configuration.readable, deadline)
    unseen = set(configuration.device) - set(configuration.readable)
    left = {bench.recipe.product.configuration[name].key for name in without}
    wanted = {key: value for key, value in configuration.device.items() if key in unseen or key in differing}
    if "ocpp_url" not in without:
        # Beside the endpoint that it is for, and before it, because the endpoint decides the phase of the device.
        write_password(bench, environment, deadline)
    # Also with nothing to write: a run that was cut off may have written all of it and not made it durable.
    bench.charger.write_settings({key: value for key, value in wanted.items() if key not in left}, deadline)


def confirm_configuration(bench: Bench, environment: Environment, deadline: Deadline) -> None:
    """Read the configuration back after a restart, and keep what was configured, signed.

    Raises:
        UnitError: A value did not survive the restart; names the keys, never the values.
    """
    configuration = bench.configuration(environment)
    lost = bench.settings_differ(configuration.readable, deadline)
    bench.measure(f"{environment}_configuration_kept", not lost, expected=True)
    if lost:
        raise UnitError(Defect.CONFIGURATION, f"The device did not keep {', '.join(sorted(lost))}.")
    _snapshot(bench, environment, configuration)


def prove_configuration(bench: Bench, deadline: Deadline) -> None:
    """Read the ship configuration back once more: as it was rendered, and nothing in it that must not ship (F-E8).

    Raises:
        UnitError: A value changed, a flag is none of the product's, or the device shows what must not ship.
    """
    configuration = bench.configuration(Environment.SHIP)
    wanted = configuration.readable
    found = bench.charger.read_settings(tuple(wanted), deadline)
    left = [key for key, value in wanted.items() if found.get(key) != value]
    denied = configuration.denials(found)
    bench.measure("ship_configuration_read_back", not left, expected=True)
    bench.measure("nothing_that_must_not_ship", not denied, expected=True)
    bench.note(denied=list(denied), flags=shown_flags(found.get(configuration.flags_key) or b""))
    if denied:
        raise UnitError(Defect.SHIP_STATE, f"On the device, {denied[0]}.")
    if left:
        raise UnitError(Defect.SHIP_STATE, f"After cleaning, {', '.join(sorted(left))} changed on the device.")


def _refuse_other_flags(bench: Bench, configuration: Configuration, deadline: Deadline) -> None:
    """Refuse a device whose firmware has other flags than those that are declared, before any write (F-A8)."""
    key = configuration.flags_key
    if not key:
        return
    problems = configuration.flag_problems(bench.charger.read_settings((key,), deadline).get(key))
    bench.measure("flags_as_declared", not problems, expected=True)
    if problems:
        raise UnitError(Defect.CONFIGURATION, f"On the device, {problems[0]}.")


def _snapshot(bench: Bench, environment: Environment, configuration: Configuration) -> None:
    """Keep what was configured and from what, signed, for whoever asks years later (F-E7)."""
    factory, records = bench.services.factory, bench.services.records
    document = configuration.document(factory.fingerprint)
    digest = records.snapshot(bench.run, environment.value, document, factory.sign)
    bench.note(**{f"{environment}_snapshot_sha256": digest})


def _check_clock(bench: Bench, deadline: Deadline) -> None:
    offset = ability(bench.charger, Clocks).clock_offset(deadline)
    limit = bench.recipe.product.limits.clock_offset
    bench.measure_within("clock_offset", offset, "s", -limit, limit)
    if abs(offset) > limit:
        raise UnitError(Defect.CLOCK, f"The device's clock is {offset:.0f} s off; {limit:.0f} s are allowed.")

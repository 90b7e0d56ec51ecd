"""The unit's configuration: rendered, written, kept over a restart, and compared with what was meant."""

from collections.abc import Callable

from station.bench import Bench
from station.clock import Deadline
from station.drivers import Clocks, ability
from station.errors import Defect, UnitError
from station.model import Environment


def configure(bench: Bench, deadline: Deadline) -> None:
    """Write the test environment's configuration, restart, and read it back (F-E1, F-B5)."""
    if bench.recipe.product.abilities.clock:
        ability(bench.charger, Clocks).set_clock(deadline)
    bench.expect_visit()
    write_configuration(bench, Environment.TEST, deadline)
    if bench.recipe.product.abilities.clock:
        _check_clock(bench, deadline)


def nothing() -> None:
    """Do nothing."""


def write_configuration(
    bench: Bench, environment: Environment, deadline: Deadline, before_restart: Callable[[], None] = nothing
) -> None:
    """Converge on the configuration of an environment; the device is restarted in any case.

    Raises:
        UnitError: A value did not survive the restart; names the keys, never the values.
    """
    configuration = bench.configuration(environment)
    differing = bench.settings_differ(configuration.readable, deadline)
    secrets = set(configuration.device) - set(configuration.readable)
    wanted = {key: value for key, value in configuration.device.items() if key in secrets or key in differing}
    if wanted:
        bench.charger.write_settings(wanted, deadline)
    before_restart()
    bench.restart(deadline)
    lost = bench.settings_differ(configuration.readable, deadline)
    bench.measure(f"{environment}_configuration_kept", not lost, expected=True)
    if lost:
        raise UnitError(Defect.CONFIGURATION, f"The device did not keep {', '.join(sorted(lost))}.")
    _snapshot(bench, environment, configuration.recorded)


def _snapshot(bench: Bench, environment: Environment, values: dict[str, str]) -> None:
    """Keep what was configured, signed, for whoever asks years later (F-E7)."""
    digest = bench.services.records.snapshot(bench.run, environment.value, values, bench.services.factory.sign)
    bench.note(**{f"{environment}_snapshot_sha256": digest})


def _check_clock(bench: Bench, deadline: Deadline) -> None:
    offset = ability(bench.charger, Clocks).clock_offset(deadline)
    limit = bench.recipe.product.limits.clock_offset
    bench.measure_within("clock_offset", offset, "s", -limit, limit)
    if abs(offset) > limit:
        raise UnitError(Defect.CLOCK, f"The device's clock is {offset:.0f} s off; {limit:.0f} s are allowed.")

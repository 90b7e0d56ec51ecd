"""No trace of who had it before: of its tests when a unit leaves (F-H7), of its owner when it is taken back (F-M4)."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.field import shown
from station.steps.reimage import reimage

LONGEST_SHOWN = 200
TELLING = 6
"""Characters from which on a value in a log can't be there by chance."""
EMPTY_LOG = b"\n"
"""What stands in an emptied log; some file systems keep no empty file."""


def clean_residue(bench: Bench, deadline: Deadline) -> None:
    """Make the unit forget its tests, and read back that it did; what was there before is recorded.

    Raises:
        UnitError: A log still names the test environment, or a counter is not where it must be.
    """
    residue = bench.recipe.product.residue
    if residue.clear:
        bench.charger.write_settings({key: value.encode() for key, value in residue.clear.items()}, deadline)
    for path in residue.logs:
        _empty(bench, path, deadline)
    found = bench.charger.read_settings(tuple(residue.expects), deadline) if residue.expects else {}
    for key, wanted in residue.expects.items():
        said = (found.get(key) or b"").decode(errors="replace")[:64]
        if not bench.measure(f"left {key}", said, expected=wanted):
            raise UnitError(Defect.SHIP_STATE, f"{key} says '{said}' after the unit was cleaned, not '{wanted}'.")


def prove_forgotten(bench: Bench, before: Mapping[str, str], deadline: Deadline) -> None:
    """Read back from a unit that was made blank that nothing is left of what it was set to, nor of what it logged.

    A setting that reads as before is left over, unless a blank device of this firmware answers so by itself. That is
    measured: it is set to what the factory sets, and the unit is made blank once more; what is back then is its own.

    Args:
        bench: The unit.
        before: What its owner had set, by the device's keys.
        deadline: For all of it.

    Raises:
        UnitError: Something is left.
    """
    found = bench.charger.read_settings(tuple(before), deadline) if before else {}
    same = {key: found.get(key) or b"" for key, value in before.items() if shown(found.get(key) or b"") == value}
    own = _own(bench, same, deadline)
    left = [key for key in before if not _gone(bench, key, key in same and key not in own)]
    telling = (value for key, value in before.items() if key not in own)
    words = [word.encode() for word in (_host(bench.recipe.ship.endpoint), *telling) if len(word) >= TELLING]
    for path in bench.recipe.product.residue.logs:
        content = bench.charger.read_file(path, deadline) or b""
        if not _gone(bench, path, any(word in content for word in words)):
            left.append(path)
    if left:
        message = f"The device still has what its owner left in it: {', '.join(left)[:LONGEST_SHOWN]}."
        raise UnitError(Defect.STALE_STATE, message, hint="Put the unit aside: it can only be scrapped.")


def _own(bench: Bench, same: Mapping[str, bytes], deadline: Deadline) -> frozenset[str]:
    """Return which settings a blank device answers so by itself; those that it does not are put back, to be found."""
    factory = bench.configuration(Environment.SHIP).readable if same else {}
    ours = {key: value for key, value in factory.items() if key in same and value != same[key]}
    if bench.identity.locked or not ours:
        return frozenset()
    bench.charger.write_settings(ours, deadline)
    reimage(bench, deadline)
    found = bench.charger.read_settings(tuple(ours), deadline)
    own = frozenset(key for key in ours if (found.get(key) or b"") == same[key])
    for key in sorted(own):
        bench.measure(f"{key} of a blank device", shown(same[key]))
    if len(own) < len(ours):
        bench.charger.write_settings({key: same[key] for key in ours if key not in own}, deadline)
    return own


def _gone(bench: Bench, name: str, left: bool) -> bool:  # noqa: FBT001 - what was found, not a way to do it
    return bench.measure(f"{name} of its owner", left, expected=False)


def _empty(bench: Bench, path: str, deadline: Deadline) -> None:
    before = bench.charger.read_file(path, deadline)
    bench.measure(f"bytes in {path}", float(len(before or b"")))
    if before is None:
        return
    bench.charger.write_file(path, EMPTY_LOG, deadline)
    left = bench.charger.read_file(path, deadline) or b""
    named = next((word for word in _words(bench) if word.encode() in left), "")
    if not bench.measure(f"{path} names the test", bool(named), expected=False):
        raise UnitError(Defect.SHIP_STATE, f"The log {path} still names {named} after it was emptied.")


def _words(bench: Bench) -> Iterator[str]:
    """Yield the names by which the test environment would be known."""
    test = bench.recipe.test
    yield _host(test.endpoint)
    yield from set(test.ntp) - set(bench.recipe.ship.ntp)


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or endpoint

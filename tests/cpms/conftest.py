"""A CPMS for the tests of a module, and one of a test's own."""

import sys
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find helpers beside a test

from cpms_world import Staging, make_unit


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    staging = Staging(tmp_path_factory.mktemp("cpms"))
    yield staging
    staging.kill()


@pytest.fixture
def staging(process):
    """A CPMS that behaves; units of the tests are told apart by their serials."""
    process.misbehave("none")
    yield process
    if process.process.poll() is not None:
        process.start()


@pytest.fixture
def cpms(staging):
    adapter = staging.open()
    yield adapter
    adapter.close()


@pytest.fixture
def fresh(tmp_path):
    """A CPMS of the test's own, to be killed or watched."""
    staging = Staging(tmp_path / "cpms")
    yield staging
    staging.kill()


@pytest.fixture
def unit(request):
    """A unit whose serial belongs to this test alone."""
    number = crc32(request.node.nodeid.encode()) % 10**9
    return make_unit(f"AC22-{number:09}")


@pytest.fixture
def another():
    """Return a unit like another one, with changes."""
    return replace


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    from vendor_world import Street

    running = Street(tmp_path_factory.mktemp("vendors"))
    yield running
    running.stop()


@pytest.fixture
def street(streets):
    """Yield the stand-ins of other CPMSs, well-behaved."""
    streets.misbehave("none")
    streets.town.instead = b""
    return streets

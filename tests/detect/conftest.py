"""Tests marked `testbed` run once more in a process of their own with libumockdev preloaded."""

import sys
from collections.abc import Iterator

import pytest

from fixtures.usb import UsbTree, inside_testbed, under_testbed


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "testbed: run in a process of its own under libumockdev")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Outside, set nothing up for a test whose body runs elsewhere."""
    if item.get_closest_marker("testbed") and not inside_testbed():
        item.fixturenames.clear()  # type: ignore[attr-defined]  # pytest.Function has it, Item's type does not


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Outside, let the same test be run inside the testbed and report its verdict."""
    if not pyfuncitem.get_closest_marker("testbed") or inside_testbed():
        return None
    pytest_once = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider"]
    # Plugins are not needed inside and take most of the start-up time.
    bare = ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", *pytest_once]
    result = under_testbed([*bare, pyfuncitem.nodeid], timeout=60)
    assert (result.returncode, "1 passed" in result.stdout) == (0, True), result.stdout + result.stderr
    return True


@pytest.fixture
def usb() -> Iterator[UsbTree]:
    """An empty USB tree."""
    tree = UsbTree()
    yield tree
    tree.close()

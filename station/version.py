"""Which software made a record: its version and, in a checkout, its commit."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def software_version() -> str:
    """Return the version, with the commit when this runs from a checkout (F-A3)."""
    release = version("charger-station")
    try:
        done = subprocess.run(
            ("git", "rev-parse", "--short=12", "HEAD"),
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except OSError:
        return release
    return f"{release}+{done.stdout.strip()}" if done.returncode == 0 else release

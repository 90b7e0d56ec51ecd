"""What differs between two recipes, each with everything it names: drafts of the catalogue, or approved bundles."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from station.catalog.bundle import BUNDLE_NAME, load_bundle
from station.catalog.recipes import StepKind, load_recipe
from station.catalog.source import Folder


def texts(catalog: Path, name: str, steps: Mapping[str, StepKind]) -> dict[str, str]:
    """Return all texts of a bundle such as `ac22-eu-r3`, or of a recipe as the catalogue has it now, by path.

    Raises:
        ConfigError: There is neither, or it can't be read.
    """
    if BUNDLE_NAME.fullmatch(name) and not (catalog / "recipes" / f"{name}.toml").exists():
        return dict(load_bundle(catalog, name).content.files)
    folder = Folder(catalog)
    load_recipe(folder, name, steps)
    return {path: raw.decode(errors="replace") for path, raw in folder.seen.items()}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return a unified diff of two sets of texts; empty when they are the same."""
    lines: list[str] = []
    for old, new in _pairs(before, after):
        left, right = before.get(old, "").splitlines(), after.get(new, "").splitlines()
        lines += difflib.unified_diff(
            left, right, old if old in before else "/dev/null", new or "/dev/null", lineterm=""
        )
    return "\n".join(lines)


def _pairs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pair files by path, and what is left by its place in the catalogue: one recipe's product with the other's."""
    yield from ((path, path) for path in sorted(before.keys() & after.keys()))
    left = _by_place(path for path in sorted(before) if path not in after)
    right = _by_place(path for path in sorted(after) if path not in before)
    for place in sorted(left.keys() | right.keys()):
        old, new = left.get(place, []), right.get(place, [])
        if len(old) == len(new) == 1:
            yield old[0], new[0]
        else:
            yield from ((path, "") for path in old)
            yield from (("", path) for path in new)


def _by_place(paths: Iterator[str]) -> dict[tuple[str, str], list[str]]:
    """Group paths by their kind of definition and their file's name; or its ending, where a file is the definition."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        kind, *rest = path.split("/")
        found.setdefault((kind, rest[1] if len(rest) > 1 else Path(path).suffix), []).append(path)
    return found

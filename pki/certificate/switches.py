"""Switches of a profile file: named variations for what standards and peers dispute, set by a plan or recipe.

A switch is on or off, or a text for one key. All variations are checked when the file is read, not when somebody first
asks for one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pki.certificate.model import Profile
from pki.certificate.rules import check_profile, nearest
from pki.errors import ProfileError
from pki.table import parse_table

Setting = bool | str
KEYS = tuple(key.name for key in fields(Profile) if key.name not in {"name", "revision", "switches"})
"""What a switch may change."""


@dataclass(frozen=True)
class Switch:
    """A named variation of a profile."""

    why: str
    """Who disagrees about what, for whoever sets it."""
    sets: str = ""
    """Key that the switch's text goes to; empty for a switch that is on or off."""
    words: tuple[str, ...] = ()
    """The texts that there are."""
    pattern: str = ""
    """Regular expression of the texts, where they can't be listed."""
    example: str = ""
    needed: bool = False
    """Whether the profile can't be used without it."""
    on: dict[str, Any] = field(default_factory=dict)
    """Keys that change when it is set."""


@dataclass(frozen=True)
class Variations:
    """A profile file as it was read: what is common, and the switches."""

    where: str
    common: Mapping[str, Any]
    switches: Mapping[str, Switch]

    def check(self) -> None:
        """Hold every single variation to the rules.

        Raises:
            ProfileError: The message names the file, the switch, and what it breaks.
        """
        needed: dict[str, Setting] = {name: switch.example for name, switch in self.switches.items() if switch.needed}
        self.profile(needed)
        for name, switch in self.switches.items():
            for setting in switch.words or (switch.example or True,):
                self.profile(needed | {name: setting})

    def profile(self, asked: Mapping[str, Setting]) -> Profile:
        """Return the profile with its switches set.

        Raises:
            ProfileError: A switch is unknown, missing or wrongly set, two fight, or the result breaks a rule.
        """
        chosen = {name: setting for name, setting in asked.items() if setting is not False}
        self._refuse_missing(chosen)
        changed: dict[str, Any] = {}
        for name, setting in asked.items():
            changes = self._changes(name, setting)
            twice = sorted(changes.keys() & changed.keys())
            if twice:
                raise ProfileError(f"{self.where}: switch {name} and another change {', '.join(twice)}")
            changed |= changes
        where = f"{self.where} with {', '.join(sorted(chosen))}" if chosen else self.where
        profile = replace(
            parse_table({**self.common, **changed}, Profile, where), switches=tuple(sorted(chosen.items()))
        )
        check_profile(profile, where)
        return profile

    def _refuse_missing(self, chosen: Mapping[str, Setting]) -> None:
        for name, switch in self.switches.items():
            if switch.needed and name not in chosen:
                hint = f"Set it, as in {name} = {switch.example!r}."
                raise ProfileError(f"{self.where}: switch {name} is not set: {switch.why}", hint=hint)

    def _changes(self, name: str, setting: Setting) -> dict[str, Any]:
        where, switch = f"{self.where}: switch {name}", self.switches.get(name)
        if switch is None:
            raise ProfileError(f"{self.where}: there is no switch '{name}'{nearest(name, tuple(self.switches))}")
        if switch.sets:
            return {switch.sets: _text(switch, setting, where), **switch.on}
        if not isinstance(setting, bool):
            raise ProfileError(f"{where} is true or false, not {setting!r}")
        return switch.on if setting else {}


def read_variations(table: Mapping[str, Any], where: str) -> Variations:
    """Return a profile file's parts.

    Raises:
        ProfileError: A switch is not as it must be, or names a key that there is not.
    """
    switches = table.get("switches", {})
    if not isinstance(switches, dict):
        raise ProfileError(f"{where}: switches is no table")
    common = {key: value for key, value in table.items() if key != "switches"}
    known = {name: _switch(entry, f"{where}: switches.{name}") for name, entry in switches.items()}
    return Variations(where, common, known)


def _text(switch: Switch, setting: Setting, where: str) -> Setting:
    if switch.words and setting not in switch.words:
        raise ProfileError(f"{where}: unknown: {setting}{nearest(str(setting), switch.words)}")
    if switch.pattern and not re.fullmatch(switch.pattern, str(setting)):
        raise ProfileError(f"{where}: {setting!r} does not match {switch.pattern}")
    return setting


def _switch(entry: object, where: str) -> Switch:
    if not isinstance(entry, dict) or not isinstance(entry.get("on", {}), dict):
        raise ProfileError(f"{where} is no table")
    # The changes are held to the keys of a profile here, and to their types once they are set.
    changes = entry.get("on", {})
    switch = parse_table({key: value for key, value in entry.items() if key != "on"}, Switch, where)
    _check_keys([*changes, *filter(None, [switch.sets])], where)
    if switch.sets and not (switch.words or switch.pattern):
        raise ProfileError(f"{where}: words or pattern is missing")
    return replace(switch, on=changes)


def _check_keys(keys: Iterable[str], where: str) -> None:
    for key in keys:
        if key not in KEYS:
            raise ProfileError(f"{where}: {key} is unknown{nearest(key, KEYS)}")

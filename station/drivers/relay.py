"""The power of a slot: a relay that a file of the system stands for, such as a GPIO line, or none.

open_relay("file:/sys/class/gpio/gpio17/value").switch(on=False)
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from station.errors import ConfigError, LinkError

log = logging.getLogger(__name__)

FILE = "file:"
ON, OFF = b"1", b"0"


class Relay(Protocol):
    """Switches the power of what is plugged into one slot."""

    def switch(self, *, on: bool) -> None:
        """Switch the power on or off.

        Raises:
            LinkError: The relay does not take it.
            ConfigError: The slot has no relay.
        """
        ...


@dataclass(frozen=True)
class FileRelay:
    """A relay that is on while its file says `1`."""

    path: Path

    def switch(self, *, on: bool) -> None:
        """Write the state into the file."""
        try:
            with self.path.open("r+b", buffering=0) as file:  # never creates it: a file that nobody reads cuts nothing
                file.write(ON if on else OFF)
        except OSError as error:
            message = f"The relay {self.path} can't be switched: {error.strerror}."
            raise LinkError(message, hint="Call engineering: the slot's power can't be switched.") from error


class NoRelay:
    """A slot whose power nobody can switch."""

    def switch(self, *, on: bool) -> NoReturn:
        """Have no relay.

        Raises:
            ConfigError: Always.
        """
        wanted = "switched on" if on else "cut"
        raise ConfigError(
            f"this slot's power can't be {wanted}: it has no relay",
            hint="Name the slot's relay in station.toml, or leave 'power cycle' out in the product.",
        )


NO_RELAY = NoRelay()


def open_relay(uri: str) -> Relay:
    """Return the relay of a slot: `file:PATH`, or none for an empty text.

    Raises:
        ConfigError: It is neither, or there is no such file.
    """
    if not uri:
        return NO_RELAY
    path = Path(uri.removeprefix(FILE))
    if not uri.startswith(FILE) or not path.is_absolute():
        raise ConfigError(
            f"relay '{uri}' must be file: and an absolute path, such as file:/sys/class/gpio/gpio17/value"
        )
    if not path.exists():
        hint = "Correct the slot's relay in station.toml, or export its GPIO line before the station starts."
        raise ConfigError(f"relay '{uri}': there is no such file", hint=hint)
    return FileRelay(path)


def powered(uri: str) -> Relay:
    """Return the relay of a slot, switched on: a process that was killed in a power cut left it off.

    Raises:
        ConfigError: As of `open_relay`.
    """
    relay = open_relay(uri)
    if relay is not NO_RELAY:
        try:
            relay.switch(on=True)
        except LinkError as error:
            log.warning("%s %s", error.message, error.hint)
    return relay

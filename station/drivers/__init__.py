"""How the station speaks to a charger: one wire protocol per file, behind verbs of our domain.

A driver binds to a physical port, not to a device file: it finds the port again after every restart of the device and
checks the hardware UID before it goes on. Every call takes a `Deadline` and raises `LinkError` when contact is lost
(after the driver's own resends), `UnitError` when the device answers and the answer is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from station.clock import Deadline
from station.errors import ConfigError
from station.model import DeviceIdentity, ImageState, Proof

FindNode = Callable[[], str | None]
"""Return the device file now found at the slot's port, or None while nothing is plugged."""


class Charger(Protocol):
    """What every charger family can do."""

    def identify(self, deadline: Deadline) -> DeviceIdentity:
        """Read who the device says it is; opens the port if needed."""
        ...

    def in_recovery(self, deadline: Deadline) -> bool:
        """Tell whether only the bootloader answers (blank part, or no bootable image)."""
        ...

    def firmware(self, deadline: Deadline) -> tuple[ImageState, ...]:
        """List the firmware slots that hold something, of all images."""
        ...

    def write_firmware(self, image: bytes, deadline: Deadline, *, number: int = 0) -> Iterator[int]:
        """Write to the free slot of image `number`, yielding the bytes written; a broken transfer resumes."""
        ...

    def erase_firmware(self, number: int, deadline: Deadline) -> None:
        """Erase the slot of image `number` that does not run; refused while it is needed for an unfinished update."""
        ...

    def try_firmware(self, digest: bytes, deadline: Deadline) -> None:
        """Make the device boot the image once; does nothing in recovery mode. Proves nothing: read `firmware` back."""
        ...

    def confirm_firmware(self, digest: bytes, deadline: Deadline) -> None:
        """Make a running image permanent."""
        ...

    def restart(self, deadline: Deadline) -> None:
        """Restart the device and return when the same hardware UID answers again at the same port."""
        ...

    def read_settings(self, keys: Sequence[str], deadline: Deadline) -> dict[str, bytes | None]:
        """Read device settings; None for a key that is not set."""
        ...

    def write_settings(self, values: Mapping[str, bytes], deadline: Deadline) -> None:
        """Write device settings and make them durable."""
        ...

    def read_file(self, path: str, deadline: Deadline) -> bytes | None:
        """Read a file, or None where there is none."""
        ...

    def write_file(self, path: str, content: bytes, deadline: Deadline) -> None:
        """Write a whole file."""
        ...

    def create_key(self, slot: str, common_name: str, *, replace: bool, deadline: Deadline) -> bytes:
        """Let the device make a key pair and return its PKCS#10 request (DER)."""
        ...

    def install_certificate(self, slot: str, certificate: bytes, deadline: Deadline) -> None:
        """Store the leaf certificate (DER) beside its key; the device refuses one of another key."""
        ...

    def lock(self, deadline: Deadline) -> None:
        """Close the device for good."""
        ...

    def close(self) -> None:
        """Let go of the port; never raises."""
        ...


@runtime_checkable
class KeyPackages(Protocol):
    """Optional: the device accepts a private key born in the HSM, wrapped to its transport key."""

    def deliver_key(self, slot: str, package: bytes, nonce: bytes, deadline: Deadline) -> Proof:
        """Hand over a CMS EnvelopedData and return the device's signed receipt over `nonce` (32 bytes)."""
        ...


@runtime_checkable
class Challenges(Protocol):
    """Optional: the device proves at any time which key it holds."""

    def challenge(self, slot: str, nonce: bytes, deadline: Deadline) -> Proof:
        """Return the device's signature over `nonce` (32 bytes) with the key in `slot`."""
        ...


@runtime_checkable
class StoredRequests(Protocol):
    """Optional: the device gives the PKCS#10 request of an existing key again."""

    def read_request(self, slot: str, deadline: Deadline) -> bytes | None:
        """Return the request (DER), or None where the slot has no key."""
        ...


@runtime_checkable
class StoredCertificates(Protocol):
    """Optional: the device gives its certificate back."""

    def read_certificate(self, slot: str, deadline: Deadline) -> bytes | None:
        """Return the installed leaf (DER), or None where there is none."""
        ...


@runtime_checkable
class SerialNumbers(Protocol):
    """Optional: the device keeps its serial number."""

    def assign_serial(self, serial: str, deadline: Deadline) -> None:
        """Write the serial number; the device refuses when another one is set."""
        ...


@runtime_checkable
class Clocks(Protocol):
    """Optional: the device has a clock that can be set and read."""

    def set_clock(self, deadline: Deadline) -> None:
        """Set the device's clock to the station's UTC."""
        ...

    def clock_offset(self, deadline: Deadline) -> float:
        """Return device time minus station time, in seconds."""
        ...


@runtime_checkable
class Erasable(Protocol):
    """Optional: an unlocked device forgets all that it was given; a locked one refuses."""

    def erase_storage(self, deadline: Deadline) -> None:
        """Erase settings, files, keys, certificates and serial number; the firmware stays."""
        ...


@runtime_checkable
class Recoverable(Protocol):
    """Optional: a locked device becomes a blank one by an image that its recovery key signed, and by nothing else."""

    def recover(self, image: bytes, digest: bytes, deadline: Deadline) -> Iterator[int]:
        """Write and start the recovery image, yielding the bytes written; then only the bootloader answers."""
        ...


Ability = TypeVar("Ability")


def ability(charger: Charger, kind: type[Ability]) -> Ability:
    """Return the charger as one of the optional abilities.

    Raises:
        ConfigError: The product declares an ability that its driver does not have.
    """
    if not isinstance(charger, kind):
        raise ConfigError(f"driver {type(charger).__name__} has no {kind.__name__}, which the product declares")
    return charger

"""The units' OCPP passwords as the station uses them, with the faults of the PKI told in the station's own errors.

A clear password is asked for where it is written or handed over, and nowhere else; whoever only has to recognise one
gets a verifier.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pki.environment import Environment as World
from pki.environment import Ship, Test
from pki.errors import KeystoreError, PkiError, ProfileError, RequestRefused
from pki.issue import Factory
from pki.passwords import Kind, Password, Sealed, Verifier
from station.errors import ConfigError, Defect, Service, ServiceError, StationError, UnitError
from station.model import Environment

WORLDS: dict[Environment, type[World]] = {Environment.TEST: Test, Environment.SHIP: Ship}


def _translated(error: PkiError) -> StationError:
    """Turn an error of the PKI into the station's error of the same fault."""
    if isinstance(error, RequestRefused):
        return UnitError(Defect.KEY, error.message, hint=error.hint)
    if isinstance(error, ProfileError):
        return ConfigError(error.message, hint=error.hint)
    service = Service.HSM if isinstance(error, KeystoreError) else Service.PKI
    return ServiceError(service, error.message, hint=error.hint)


@contextmanager
def told() -> Iterator[None]:
    """Let faults of the PKI leave the block as the station's errors."""
    try:
        yield
    except PkiError as error:
        raise _translated(error) from error


@dataclass(frozen=True)
class OcppPasswords:
    """The passwords by which units log in to their CSMS: one for each environment. Every method raises `StationError`.

    `ServiceError` where the HSM or the ledger is away, `UnitError` where the unit's own password can't be used, and
    `ConfigError` where the factory has no key to keep passwords with.
    """

    factory: Factory

    def ensure(self, unit: str, environment: Environment) -> Sealed:
        """Return what a unit has, made now if it has none; asked again, the same one."""
        with told():
            return self.factory.passwords.ensure(unit, WORLDS[environment], Kind.OCPP)

    def end(self, unit: str, environment: Environment, reason: str) -> None:
        """Replace what a unit has by one that it never had; nothing where it has none."""
        with told():
            if self.factory.passwords.current(unit, WORLDS[environment], Kind.OCPP):
                self.factory.passwords.replace(unit, WORLDS[environment], Kind.OCPP, reason)

    def open(self, unit: str, environment: Environment) -> Password:
        """Return the clear password, for whoever writes it into the unit at once."""
        with told():
            return self.factory.passwords.open(unit, WORLDS[environment], Kind.OCPP)

    def verifier(self, unit: str, environment: Environment) -> Verifier:
        """Return what recognises the password and does not hold it."""
        with told():
            return self.factory.passwords.verifier(unit, WORLDS[environment], Kind.OCPP)

    def for_cpms(self, unit: str, cpms: str) -> Callable[[], Password] | None:
        """Return what opens the unit's ship password for its CPMS, each time with an entry in the audit log.

        None for a unit of which the factory keeps no password: it logs in with its certificate, or its CPMS got the
        password sealed. Asks the ledger alone.
        """
        with told():
            if not self.factory.keeps_password(unit, Ship, Kind.OCPP):
                return None

        def hand_over() -> Password:
            with told():
                return self.factory.passwords.hand_over(unit, cpms)

        return hand_over


@dataclass(frozen=True)
class InsideSecrets:
    """The secrets on labels inside units; every method raises `StationError`.

    `ServiceError` where the HSM or the ledger is away, `UnitError` where a secret is on paper and gone from us, and
    `ConfigError` where the factory has no key to keep secrets with.
    """

    factory: Factory

    def ensure(self, unit: str, kind: str) -> int:
        """Return the version of the secret that waits for its label; it is drawn now if none does."""
        with told():
            return self.factory.paper.ensure(unit, Kind(kind))

    def open(self, unit: str, kind: str) -> Password:
        """Return the clear secret, for whoever writes or prints it at once."""
        with told():
            return self.factory.paper.open(unit, Kind(kind))

    def forget(self, unit: str, kind: str) -> None:
        """Delete what opens the secret, as its label was scanned back; nothing where that was done before."""
        with told():
            self.factory.paper.forget(unit, Kind(kind))


def demand_safe(factory: Factory, product: str, *, needed: bool) -> None:
    """Refuse a product whose units have passwords where the factory has no key to keep them with.

    Raises:
        ConfigError: The ceremony made no sealing key.
    """
    if needed and factory.safe is None:
        raise ConfigError(
            f"products/{product}/product.toml: credentials: this factory's PKI has no sealing key, so its units can "
            "have no passwords",
            hint="Add [sealing] to the ceremony file, have it reviewed, and hold the ceremony again with a reason.",
        )

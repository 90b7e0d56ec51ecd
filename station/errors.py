"""Errors sorted by whose fault they are, because that is how a caller acts on them.

`UnitError` closes a run FAIL, `LinkError` and `ServiceError` close it ERROR, `Aborted` closes it ABORTED.
Anything else that reaches the run boundary is a bug of ours and closes it ERROR: it never scraps a unit and never
passes one. `hint` is one imperative sentence, shown to the operator as it stands.
"""

from enum import StrEnum


class Defect(StrEnum):
    """What is wrong with a unit, as counted in yield statistics."""

    WRONG_HARDWARE = "wrong-hardware"
    WRONG_UNIT = "wrong-unit"
    DUPLICATE_IDENTITY = "duplicate-identity"
    STALE_STATE = "stale-state"
    PROTOCOL = "protocol"
    SILENT = "silent"
    FIRMWARE = "firmware"
    FLASH = "flash"
    KEY = "key"
    CERTIFICATE = "certificate"
    CONFIGURATION = "configuration"
    CLOCK = "clock"
    OCPP = "ocpp"
    SHIP_STATE = "ship-state"
    LOCK = "lock"
    WITHDRAWN = "withdrawn"
    TEST_RESULT = "test-result"
    GENEALOGY = "genealogy"


class Service(StrEnum):
    """What the station depends on, besides the unit."""

    HSM = "hsm"
    PKI = "pki"
    CPMS = "cpms"
    PRINTER = "printer"
    DATABASE = "database"
    NETWORK = "network"
    MES = "mes"


class StationError(Exception):
    """Anything that ends a run or a command, with what the person in front of it does next."""

    default_hint = "Call engineering."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint


class ConfigError(StationError):
    """A definition or setting is wrong; raised at load only, naming the file and the key path."""

    default_hint = "Correct the file and start again."

    def __init__(self, message: str, *, hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems or (message,)
        """All that was found wrong; the message is the first of them."""


class UnitError(StationError):
    """The unit is bad, wrong or not what it claims to be."""

    default_hint = "Put the unit aside for rework."

    def __init__(self, defect: Defect, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.defect = defect


class LinkError(StationError):
    """Contact with the device was lost; the only class for which a step is tried again."""

    default_hint = "Reseat the connector and plug the charger in again."


class Interlocked(StationError):
    """Routing does not let this begin or leave now: a hold, a gate, a limit; nobody is to blame for it."""

    default_hint = "Call the line lead."


class ServiceError(StationError):
    """Something the station depends on is away; `stops_line` says whether other slots are stopped too."""

    default_hint = "Call the line lead."

    def __init__(self, service: Service, message: str, *, hint: str = "", stops_line: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.service = service
        self.stops_line = stops_line


class Aborted(StationError):
    """The operator, a shutdown or a power cut ended the run."""

    default_hint = "Plug the charger in again to continue."

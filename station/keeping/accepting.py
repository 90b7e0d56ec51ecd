"""Two people answer for what a restored station does not know; until then it does not run."""

from pathlib import Path

from station.errors import ConfigError
from station.identifiers.cartons import CartonBlock, is_sscc, sscc
from station.people import require
from station.person import Person, Role
from station.records import Acceptance, Accepted, Records

FIRST, SECOND = (Role.QA,), (Role.LINE_LEAD, Role.ADMIN)


def refuse_restored(records: Records, directory: Path) -> None:
    """Refuse to run on records that came out of a backup, while nobody has answered for the gap.

    Raises:
        ConfigError: Nobody has.
    """
    if records.open_restore() is None:
        return
    message = f"{directory}: these records came out of a backup, and nobody has answered for what they do not know"
    raise ConfigError(message, hint="Let quality and the line lead run 'station restore --accept'.")


def last_carton_of(block: CartonBlock, named: str) -> str:
    """Return the SSCC of the last carton that can have been given; empty where the station gives none, or none yet.

    Args:
        block: Carton numbers that the station gives.
        named: What people say: an SSCC, a number of the block, or `0` where no carton has a number of it.

    Raises:
        ConfigError: Nothing was said, or it is no number of the block.
    """
    if not block.prefix:
        return ""
    if not named:
        message = "which carton numbers were given since the backup is not known, and none is given twice"
        hint = "Look at the last carton that left: --last-carton SSCC; or 0, once station.toml has a new block."
        raise ConfigError(message, hint=hint)
    if named == "0":
        return ""
    code = named if is_sscc(named) else _numbered(block, named)
    ours = f"{block.extension}{block.prefix}"
    if not code.startswith(ours) or not block.first <= int(code[len(ours) : -1]) <= block.last:
        message = f"'{named[:40]}' is no carton number of the station's block"
        raise ConfigError(message, hint=f"Name an SSCC, or a number from {block.first} to {block.last}.")
    return code


def _numbered(block: CartonBlock, named: str) -> str:
    try:
        return sscc(block.prefix, int(named), block.extension)
    except ValueError:
        return ""


def accept(
    records: Records, people: tuple[Person, Person], reason: str, through: dict[str, str], last_carton: str = ""
) -> Accepted:
    """Let a restored station run again, by quality and a line lead or admin.

    Raises:
        NotAllowed: One of them has not the role.
        ConfigError: There is nothing to accept, a serial number is not one of its order, or they are one person.
    """
    first, second = people
    require(first, *FIRST)
    require(second, *SECOND)
    return records.accept_restore(Acceptance(first.id, second.id, reason, through, last_carton))

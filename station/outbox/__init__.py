"""The outbox: what must reach others after a release, in order, until it did, also over restarts.

A message is done when its effect was read back, not when somebody answered "ok". What can't succeed by itself stands
aside and waits for a person; nothing else waits behind it.
"""

from pathlib import Path

from station.bench import Services
from station.board import Board
from station.outbox.carriers import CpmsCarrier, CpmsOf, CredentialsOf, carriers
from station.outbox.files import write_whole
from station.outbox.lanes import Effect, Route
from station.outbox.patience import Patience
from station.outbox.worker import Courier, Habits
from station.quality.ending import Endings
from station.revocations import RevocationWatch

__all__ = [
    "Courier",
    "CpmsCarrier",
    "CpmsOf",
    "CredentialsOf",
    "Effect",
    "Habits",
    "Patience",
    "Route",
    "open_outbox",
    "write_whole",
]


def open_outbox(
    services: Services, board: Board, cpms_of: CpmsOf, passports: Path, products: Path | None = None
) -> Courier:
    """Return the outbox of a station, to be started.

    Args:
        services: What the station depends on.
        board: Where its alarms and its depth are shown.
        cpms_of: Gives the CPMS of a work order's units.
        passports: Where PDFs go.
        products: Where the brands of products lie.
    """
    looks = (RevocationWatch(services).look, Endings(services).look)
    return Courier(services.records, board, carriers(services, cpms_of, passports, products), looks)

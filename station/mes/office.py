"""The MES as the rest of the station sees it: asked before a run, served beside the line; a null object without one."""

from dataclasses import dataclass, field

from station.board import Board
from station.config import MesSection
from station.errors import ConfigError
from station.mes.clerk import Clerk
from station.mes.contract import Mes
from station.mes.folder import open_folder
from station.mes.interlock import MesInterlock
from station.mes.jobs import OrderDesk
from station.mes.rest import Caller, open_rest
from station.mes.worker import MesWorker
from station.records import Records, RunRequest

NO_MES = "none:"


class NoMes:
    """No MES: every run may begin as far as it is concerned, and nothing is told."""

    def permit(self, request: RunRequest) -> RunRequest:
        """Return the request as it is."""
        return request

    def start(self, board: Board) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""


@dataclass
class MesOffice:
    """One MES: its say in what begins, and the thread that serves it."""

    records: Records
    mes: Mes
    section: MesSection
    orders: OrderDesk
    station: str
    _worker: MesWorker | None = field(default=None, init=False)

    def permit(self, request: RunRequest) -> RunRequest:
        """Return the request with the MES's word for it.

        Raises:
            Interlocked: The MES forbids it, or it is away and never allowed it, or away for too long.
        """
        return MesInterlock(self.records, self.mes, self.section, self.station).permit(request)

    def start(self, board: Board) -> None:
        """Begin to serve the MES, with alarms on the board."""
        self._worker = MesWorker(Clerk(self.records, self.mes, self.orders, self.station), board)
        self._worker.start()

    def stop(self, timeout: float) -> None:
        """End after the message in hand, and let go of connections."""
        if self._worker is not None:
            self._worker.stop(timeout)
        self.mes.close()


def open_mes(section: MesSection, records: Records, orders: OrderDesk, caller: Caller) -> MesOffice | NoMes:
    """Open the MES that the configuration names, and note from now on what it is to be told.

    Raises:
        ConfigError: The address is none of an MES, or the station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had, or the records are away.
    """
    if section.uri == NO_MES:
        records.mes_end()
        return NoMes()
    mes = connect(section, records.database.station, caller)
    records.mes_begin()
    return MesOffice(records, mes, section, orders, records.database.station)


def connect(section: MesSection, station: str, caller: Caller) -> Mes:
    """Return the other side that an address names.

    Raises:
        ConfigError: The address is none of an MES, or the station's certificate cannot be used.
        ServiceError: The station's certificate cannot be had.
    """
    scheme, _, rest = section.uri.partition(":")
    match scheme:
        case "http" | "https":
            return open_rest(section.uri, station, caller, section.answer_seconds)
        case "file" if rest:
            return open_folder((caller.directory / rest).resolve())
    hint = "Use 'https://…', 'http://' on this computer only, 'file:DIR', or 'none:'."
    raise ConfigError(f"mes.uri: '{scheme[:40]}:' is no address of an MES", hint=hint)

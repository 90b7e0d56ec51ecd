"""The manufacturing execution system: what it orders, what it may forbid, and what it is told.

README.md beside this file is the contract with the other side. What happens at the station is noted in the transaction
in which it happens, told in order and at least once; while the MES is away the line goes on within limits.
"""

from station.mes.jobs import OrderDesk
from station.mes.office import NO_MES, MesOffice, NoMes, connect, open_mes
from station.mes.rest import Caller

__all__ = ["NO_MES", "Caller", "MesOffice", "NoMes", "OrderDesk", "connect", "open_mes"]

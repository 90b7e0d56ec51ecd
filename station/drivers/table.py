"""Which drivers there are: the name in a product's file, and how to open a charger of that family."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from station.drivers import Charger, FindNode
from station.drivers.mcuboot import open_charger as open_mcuboot

DRIVERS: Mapping[str, Callable[[FindNode], Charger]] = MappingProxyType({"mcuboot": open_mcuboot})

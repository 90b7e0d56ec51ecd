"""Where a product's modem shows that it is attached to its network, and how well it hears it (F-F4)."""

from collections.abc import Mapping
from dataclasses import dataclass

HOME, ROAMING = "home", "roaming"


@dataclass(frozen=True)
class Modem:
    """Device settings that are read, and nothing else: a look at a SIM must not use up its activation."""

    registration: str = ""
    """Setting that says whether it is registered; empty for products without a modem."""
    registered: tuple[str, ...] = (HOME, ROAMING)
    """What it says where it is."""
    rssi: str = ""
    """Setting with the received signal strength in dBm."""
    least_rssi: float = -95.0
    rsrp: str = ""
    """Setting with the reference signal received power in dBm (LTE)."""
    least_rsrp: float = -115.0
    activation: str = ""
    """Setting that says how far the SIM's contract is, such as `factory-test`: the same before and after the look."""

    def __post_init__(self) -> None:
        """Refuse a modem of which one would not know whether it is attached."""
        if not self.registration and (self.rssi or self.rsrp or self.activation):
            raise ValueError("registration: it names the setting that says whether the modem is registered")

    @property
    def levels(self) -> Mapping[str, tuple[str, float]]:
        """Return the signal levels that it shows: name -> setting and least dBm."""
        told = {"RSSI": (self.rssi, self.least_rssi), "RSRP": (self.rsrp, self.least_rsrp)}
        return {name: (key, least) for name, (key, least) in told.items() if key}

"""Outlets in the words of others; the source is the one list of connectors of a unit (F-G6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from station.cpms.contract import Rejected
from station.model import Connector


@dataclass(frozen=True)
class Words:
    """One type of connector as others call it."""

    ocpi: str
    """OCPI 2.2.1 `ConnectorType`."""
    citrineos: str
    ampeco: str


TYPE_1 = Words("IEC_62196_T1", "IEC62196T1", "type1")
TYPE_2 = Words("IEC_62196_T2", "IEC62196T2", "type2")
BY_TYPE: Mapping[str, Words] = {
    "cCCS1": Words("IEC_62196_T1_COMBO", "IEC62196T1COMBO", "ccs1"),
    "cCCS2": Words("IEC_62196_T2_COMBO", "IEC62196T2COMBO", "ccs2"),
    "cG105": Words("CHADEMO", "CHAdeMO", "chademo"),
    "cGBT": Words("GBT_DC", "GBTDC", "gb-t-dc"),
    "cType1": TYPE_1,
    "cType2": TYPE_2,
    "sType2": TYPE_2,
    "sType3": Words("IEC_62196_T3C", "IEC62196T3C", "type3"),
    "s309-1P-16A": Words("IEC_60309_2_single_16", "IEC603092Single16", "cee16"),
    "s309-3P-16A": Words("IEC_60309_2_three_16", "IEC603092Three16", "cee16"),
    "s309-3P-32A": Words("IEC_60309_2_three_32", "IEC603092Three32", "cee32"),
    "sBS1361": Words("DOMESTIC_G", "DomesticG", "type-g-british"),
    "sCEE-7-7": Words("DOMESTIC_F", "DomesticF", "schuko"),
}
"""By the `ConnectorEnumType` of OCPP 2.0.1."""


def words(system: str, connector: Connector) -> Words:
    """Return how others call a connector's type.

    Raises:
        Rejected: The system has no word for it.
    """
    if connector.type not in BY_TYPE:
        message = f"{system}: outlet {connector.letter} is a {connector.type}, which has no name there."
        raise Rejected(message, hint="Register the unit by the batch, or have the type added to the adapter.")
    return BY_TYPE[connector.type]


def is_socket(connector: Connector) -> bool:
    """Tell whether a cable is plugged in at the outlet; else one is fixed to it."""
    return connector.type.startswith("s")


def power_type(connector: Connector, names: tuple[str, str, str, str]) -> str:
    """Return the name for direct current, or for one, two or three phases."""
    return names[connector.phases]

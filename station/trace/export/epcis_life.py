"""What happens to a unit behind the line, in EPCIS 2.0: into its carton, out of the door, and whatever came then.

GS1 has no word for a change of owner or operator; such an event says `other`, and to which party. Nothing is ever
declared to be in error: the records hold what happened, and what put it right is an event of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from station.records import LifecycleKind, LifecycleRow
from station.records.export_units import TracedUnit
from station.trace.export.epcis_names import Act, Event, event, named, thing


@dataclass(frozen=True)
class Said:
    """How GS1 says what happened."""

    step: str
    disposition: str
    action: str = "OBSERVE"
    transaction: str = ""
    """What kind of document the reference names."""
    party: str = ""
    """What the other party becomes."""


LIFE: Mapping[LifecycleKind, Said] = {
    LifecycleKind.SHIPPED: Said("shipping", "in_transit", transaction="desadv", party="possessing_party"),
    LifecycleKind.COMMISSIONED: Said("installing", "active"),
    LifecycleKind.MOVED: Said("installing", "active"),
    LifecycleKind.OWNER_CHANGED: Said("other", "active", party="owning_party"),
    LifecycleKind.OPERATOR_CHANGED: Said("other", "active", party="possessing_party"),
    LifecycleKind.RETURNED: Said("receiving", "returned", transaction="rma"),
    LifecycleKind.REFURBISHED: Said("repairing", "available"),
    LifecycleKind.DECOMMISSIONED: Said("decommissioning", "inactive", action="DELETE"),
}


def life_of(unit: TracedUnit, name: str) -> Iterator[Event]:
    """Yield what happened to a unit, named so, after it was built."""
    for carton in unit.cartons:
        packed = event("AggregationEvent", carton.at, name, "packing", carton.sscc)
        packed |= {"action": "ADD", "bizStep": "packing", "disposition": "in_progress"}
        yield packed | {"parentID": f"https://id.gs1.org/00/{carton.sscc}", "childEPCs": [name]}
    for row in unit.life:
        yield _lived(row, name)


def _lived(row: LifecycleRow, name: str) -> Event:
    said = LIFE[row.kind]
    told = thing(name, Act(said.action, said.step, said.disposition), row.occurred_at, str(row.ref))
    return told | _where(row, said)


def _where(row: LifecycleRow, said: Said) -> dict[str, Any]:
    """Return the place, the document and the party of an event, as far as they are known."""
    told: dict[str, Any] = {}
    if row.place:
        told["bizLocation"] = {"id": named("site", row.place)}
    if row.reference and said.transaction:
        transaction = named(said.transaction, row.reference)
        told["bizTransactionList"] = [{"type": said.transaction, "bizTransaction": transaction}]
    if row.party and said.party:
        told["destinationList"] = [{"type": said.party, "destination": named("party", row.party)}]
    return told

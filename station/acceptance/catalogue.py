"""The acceptance sequences, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from station.acceptance import anchors, checks, endurance, inventory, outlets, renewal, reporting
from station.acceptance.anchors import replace_anchor
from station.acceptance.sequence import Check
from station.catalog.acceptance import CHOSEN, Acceptance
from station.model import OcppVersion

_WHOLE = (
    Check("connect", checks.connect, 180),
    Check("boot", checks.boot, 60),
    Check("inventory", inventory.inventory, 60),
    Check("settings", checks.settings, 60),
    Check("anchors", anchors.listed, 15),
    Check("accept", checks.accept, 40),
    Check("into service", checks.into_service, 60),
    Check("status", checks.status, 60),
    Check("clock", checks.clock, 30),
    Check("trigger heartbeat", checks.trigger_heartbeat, 10),
    Check("trigger status", checks.trigger_status, 30),
    Check("meter values", reporting.meter_values, 30),
    Check("availability", checks.availability, 60),
    Check("unlock", outlets.unlock, 15),
    Check("outlets", outlets.outlets, 60),
    Check("remote start", outlets.remote_start, 60),
    Check("renewal", renewal.renew, 60),
    Check("reset", checks.reset, 180),
    Check("status after reset", checks.status, 60),
    Check("settings after reset", checks.settings_kept, 60),
    Check("security events", reporting.security_events, 30),
    Check("power cycle", endurance.power_cycle, 180),
    Check("offline", endurance.offline, 120),
    # Last of all, because it may have to cut the connection.
    Check("renewed certificate", renewal.renewed_in_use, 60),
    Check("conformance", checks.conformance, 1, mandatory=False),
)
_PRODUCTS_OWN = frozenset(CHOSEN) - {"clock", "conformance"}

ACCEPTANCE: Mapping[OcppVersion, tuple[Check, ...]] = dict.fromkeys(
    OcppVersion, tuple(check for check in _WHOLE if check.name not in _PRODUCTS_OWN)
)
"""What a unit of any product goes through at the test endpoint, by OCPP version; `for_product` adds what one has."""


def for_product(plan: Acceptance) -> tuple[Check, ...]:
    """Return the checks of a product, in order; those that it leaves out stand in the record with the reason."""
    return tuple(_adapted(check, plan) for check in _WHOLE)


def _adapted(check: Check, plan: Acceptance) -> Check:
    terms = plan.checks.get(check.name)
    return replace(
        check,
        limit_seconds=(terms.limit if terms else 0) or check.limit_seconds,
        mandatory=plan.mandatory(check.name),
        left_out=plan.left_out(check.name),
    )


def with_anchor_replacement(sequence: Sequence[Check], root: bytes) -> tuple[Check, ...]:
    """Return a sequence that proves the replacement of trust anchors too, with a root (PEM) that no unit trusts yet."""
    check = Check("replace anchor", partial(replace_anchor, root), 60)
    place = [each.name for each in sequence].index("renewal")
    return (*sequence[:place], check, *sequence[place:])

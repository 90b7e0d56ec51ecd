"""The acceptance sequences, as data."""

from collections.abc import Mapping

from station.acceptance import checks, renewal
from station.acceptance.sequence import Check
from station.model import OcppVersion

_COMMON = (
    Check("connect", checks.connect, 180),
    Check("boot", checks.boot, 60),
    Check("inventory", checks.inventory, 60),
    Check("settings", checks.settings, 60),
    Check("accept", checks.accept, 40),
    Check("into service", checks.into_service, 60),
    Check("status", checks.status, 60),
    Check("clock", checks.clock, 30),
    Check("trigger heartbeat", checks.trigger_heartbeat, 10),
    Check("trigger status", checks.trigger_status, 30),
    Check("availability", checks.availability, 60),
    Check("renewal", renewal.renew, 60),
    Check("reset", checks.reset, 180),
    Check("status after reset", checks.status, 60),
    Check("settings after reset", checks.settings_kept, 60),
    # Last of all, because it may have to cut the connection.
    Check("renewed certificate", renewal.renewed_in_use, 60),
    Check("conformance", checks.conformance, 1, mandatory=False),
)

ACCEPTANCE: Mapping[OcppVersion, tuple[Check, ...]] = {OcppVersion.V16: _COMMON, OcppVersion.V201: _COMMON}
"""What a unit goes through at the test endpoint, by OCPP version; `adjusted` makes a product's own of it."""

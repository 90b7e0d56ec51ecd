"""The local OCPP server that every unit must reach, with its own credentials, before it ships.

with server.expect(expected) as visit:
    results = run_sequence(visit, ACCEPTANCE[expected.version], settings={}, deadline=Deadline(600))
    record(visit.transcript())
"""

from station.acceptance.attempts import Attempt, AttemptLog
from station.acceptance.catalogue import ACCEPTANCE, for_product, with_anchor_replacement
from station.acceptance.contract import Expected, Limits, PersonaConfig, Renewal, Renewed, ServerConfig
from station.acceptance.fixture import Fixture
from station.acceptance.sequence import Check, Exam, adjusted, run_checks, run_sequence
from station.acceptance.server import AcceptanceServer
from station.acceptance.ship import DELETE_ROOTS, SHIP_WATCH, Arrival, ship_sequence, watch_ship
from station.acceptance.stranger import Sight, Stranger, stranger
from station.acceptance.switch import Target, departure, plain
from station.acceptance.transcript import Transcript
from station.acceptance.visit import CheckResult, Visit

__all__ = [
    "ACCEPTANCE",
    "DELETE_ROOTS",
    "SHIP_WATCH",
    "AcceptanceServer",
    "Arrival",
    "Attempt",
    "AttemptLog",
    "Check",
    "CheckResult",
    "Exam",
    "Expected",
    "Fixture",
    "Limits",
    "PersonaConfig",
    "Renewal",
    "Renewed",
    "ServerConfig",
    "Sight",
    "Stranger",
    "Target",
    "Transcript",
    "Visit",
    "adjusted",
    "departure",
    "for_product",
    "plain",
    "run_checks",
    "run_sequence",
    "ship_sequence",
    "stranger",
    "watch_ship",
    "with_anchor_replacement",
]

"""The local OCPP server that every unit must reach, with its own credentials, before it ships.

with server.expect(expected) as visit:
    results = run_sequence(visit, ACCEPTANCE[expected.version], settings={}, deadline=Deadline(600))
    record(visit.transcript())
"""

from station.acceptance.attempts import Attempt, AttemptLog
from station.acceptance.catalogue import ACCEPTANCE
from station.acceptance.contract import Expected, Limits, PersonaConfig, Renewal, Renewed, ServerConfig
from station.acceptance.sequence import Check, Exam, adjusted, run_sequence
from station.acceptance.server import AcceptanceServer
from station.acceptance.ship import SHIP_WATCH, watch_ship
from station.acceptance.transcript import Transcript
from station.acceptance.visit import CheckResult, Visit

__all__ = [
    "ACCEPTANCE",
    "SHIP_WATCH",
    "AcceptanceServer",
    "Attempt",
    "AttemptLog",
    "Check",
    "CheckResult",
    "Exam",
    "Expected",
    "Limits",
    "PersonaConfig",
    "Renewal",
    "Renewed",
    "ServerConfig",
    "Transcript",
    "Visit",
    "adjusted",
    "run_sequence",
    "watch_ship",
]

"""Charging management systems: register a released unit once, and prove by reading back that the record is ours.

A registration is keyed on (CPMS, serial, revision), so asking twice gives the same answer, also after a crash between
asking and answering. A record that differs is reported field by field and never overwritten (F-G2, F-G3).
"""

from station.cpms.adapters import ADAPTERS, Adapter, Passwords, adapter_of, check_passwords, open_cpms
from station.cpms.contract import (
    NONE,
    Cpms,
    Credential,
    Credentials,
    Health,
    Limits,
    Listing,
    Record,
    Registration,
    Rejected,
    Result,
    result_of,
)
from station.cpms.payload import OPERATORS, differences, payload
from station.http import Secret
from station.trust import ClientIdentity, Identify

__all__ = [
    "ADAPTERS",
    "NONE",
    "OPERATORS",
    "Adapter",
    "ClientIdentity",
    "Cpms",
    "Credential",
    "Credentials",
    "Health",
    "Identify",
    "Limits",
    "Listing",
    "Passwords",
    "Record",
    "Registration",
    "Rejected",
    "Result",
    "Secret",
    "adapter_of",
    "check_passwords",
    "differences",
    "open_cpms",
    "payload",
    "result_of",
]

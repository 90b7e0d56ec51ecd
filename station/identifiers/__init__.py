"""Numbers that name things: how each must look, what makes two of them the same, and whether all places agree.

Strict when we make or print a number, tolerant when we read what others made: what is tolerated is brought into the
one form that is compared and kept. Nothing here knows a database: that a number is alive only once is `records`' duty.
"""

from station.identifiers.equality import equality_gate
from station.identifiers.kinds import Identifier, Kind, parse
from station.identifiers.readers import Rules
from station.identifiers.serials import MOD_37_36, check_serial, serial_with_check

__all__ = ["MOD_37_36", "Identifier", "Kind", "Rules", "check_serial", "equality_gate", "parse", "serial_with_check"]

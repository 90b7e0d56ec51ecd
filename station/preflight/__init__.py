"""The factory's network before a shift: does what units need work here? Never said of the site (P20)."""

from station.preflight.modem import modem_probes
from station.preflight.plan import Surroundings, probes
from station.preflight.report import LABEL, Finding, Probe, examine

__all__ = ["LABEL", "Finding", "Probe", "Surroundings", "examine", "modem_probes", "probes"]

"""Labels for printers of other resolutions: templates are written in dots of 203 dpi, and the rest is arithmetic.

Widths are rounded down, so that nothing needs more room than at the resolution it was fitted for.
"""

import re

from station.documents.label_picture import RESOLUTIONS
from station.errors import ConfigError

BASE = 203
"""Dots per inch in which templates are written."""
LARGEST_MODULE = 10
"""Largest module of a QR code in dots (`^BQ`), and widest bar of a linear one (`^BY`)."""
_PLACES = {
    b"PW": (0,),
    b"LL": (0,),
    b"LH": (0, 1),
    b"FO": (0, 1),
    b"FT": (0, 1),
    b"GB": (0, 1, 2),
    b"A0N": (1, 2),
    b"FB": (0, 2, 4),
    b"BCN": (1,),
    b"BXN": (1,),
    b"BQN": (2,),
    b"BY": (0, 2),
}
"""Command -> which of its parameters are lengths in dots."""
_MODULES = {b"BQN": 2, b"BY": 0}
_COMMAND = re.compile(rb"\^(%b)([0-9A-Z.,-]*)" % b"|".join(_PLACES))


def scaled(zpl: bytes, dpi: int) -> bytes:
    """Return a label for another resolution.

    Raises:
        ConfigError: There are no printers of that resolution.
    """
    if dpi not in RESOLUTIONS:
        known = ", ".join(map(str, RESOLUTIONS))
        raise ConfigError(f"labels are printed with {known} dots per inch, not {dpi}", hint="Correct the resolution.")
    if dpi == BASE:
        return zpl
    return _COMMAND.sub(lambda found: _command(found[1], found[2], dpi), zpl)


def _command(name: bytes, parameters: bytes, dpi: int) -> bytes:
    values = parameters.split(b",")
    for place in _PLACES[name]:
        if place < len(values) and values[place].isdigit():
            dots = int(values[place]) * RESOLUTIONS[dpi] // RESOLUTIONS[BASE]
            values[place] = b"%d" % (min(dots, LARGEST_MODULE) if _MODULES.get(name) == place else dots)
    return b"^" + name + b",".join(values)

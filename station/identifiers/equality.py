"""The equality gate: one serial number everywhere, or the unit does not leave (F-B6).

It compares fields, not values that turn up somewhere: a charger that sends its serial as that of its meter is refused.
"""

PLACES = {
    "label": "the label",
    "device": "the device",
    "certificate": "the certificate's CN",
    "boot": "the boot notification",
    "cpms": "the CPMS",
    "passport": "the passport",
    "identity": "the OCPP identity",
    "address": "the end of the endpoint's address",
    "user": "the user of the login",
}
"""Where a unit's number stands, as sentences name it."""
LONGEST_SHOWN = 60


def equality_gate(record: str, **places: str | None) -> tuple[str, ...]:
    """Compare the number that the record gives a unit with what stands elsewhere; nothing returned means: all equal.

    Args:
        record: Serial number, or OCPP identity, as the station's record has it.
        places: What was found, by the names of `PLACES`; None where a place can't be read or is not asked yet. An
            empty text was asked and shows nothing: that is a difference.

    Returns:
        One sentence for each place that differs.

    Raises:
        KeyError: A place is none of `PLACES`.
    """
    if not record:
        return ("The record has no number to compare with.",)
    found = [(PLACES[place], text) for place, text in places.items() if text is not None]
    return tuple(_difference(words, text, record) for words, text in found if text != record)


def _difference(place: str, text: str, record: str) -> str:
    said = f"'{shown(text)}'" if text else "nothing"
    return f"{place[0].upper()}{place[1:]} says {said}; the record says '{shown(record)}'."


def shown(text: str) -> str:
    """Return foreign text as a sentence can bear it: printable and short."""
    clean = "".join(char if char.isascii() and char.isprintable() else "?" for char in text)
    return clean if len(clean) <= LONGEST_SHOWN else f"{clean[: LONGEST_SHOWN - 1]}…"

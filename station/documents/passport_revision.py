"""A passport goes on after the release: the same document, with what happened to the unit since (F-M3, F-M7).

Everything that the release said stays as it was said, and who made it; what happened is added, and the revision says
when and which passport it replaces. Signed anew, it is the unit's newest passport.
"""

from dataclasses import asdict
from hashlib import sha256

import rfc8785

from station.documents.passport import MINOR, read_passport
from station.model import LifeEvent


def revised(passport: bytes, happened: LifeEvent, number: int) -> bytes:
    """Return the passport that says what happened, as canonical JSON.

    Args:
        passport: The unit's newest one.
        happened: What it does not say yet.
        number: Revision of the new one.

    Raises:
        StationError: The passport is none, or was changed.
    """
    content = read_passport(passport)
    told = {name: text for name, text in asdict(happened).items() if text}
    content["minor"] = max(MINOR, content.get("minor", 0))
    content["lifecycle"] = [*content.get("lifecycle", []), told]
    content["revision"] = {
        "number": number,
        "issued_at": happened.recorded_at,
        "replaces": sha256(passport).hexdigest(),
    }
    return rfc8785.dumps(content)

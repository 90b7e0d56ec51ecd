"""What pages and other programs look into: the records of one station, as search, recall and units."""

import json
from collections.abc import Collection, Mapping

from station.records import Records
from station.trace.recall import WORDS, Page, ask, page_of
from station.trace.recall_contents import Bundles
from station.trace.search import Answer, look_up
from station.trace.tokens import program_of
from station.trace.unit import plain, unit_file


class Seeker:
    """Looks into the records of one station; safe from all threads."""

    words: Mapping[str, str] = WORDS

    def __init__(self, records: Records) -> None:
        """Look into the records."""
        self._records, self._bundles = records, Bundles()

    def find(self, text: str, limit: int) -> Answer:
        """Find what bears a number."""
        return look_up(self._records, text, limit)

    def recall(self, words: Mapping[str, str], after: str, limit: int) -> Page:
        """Find the units behind a serial number of which all words are true."""
        return page_of(self._records, ask(self._records, words, self._bundles), after, limit)

    def unit(self, serial: str) -> bytes | None:
        """Return everything that is known of a unit as JSON, or None where there is none."""
        found = unit_file(self._records, serial)
        return None if found is None else json.dumps(found, default=plain).encode()

    def scopes(self, token: str) -> Collection[str] | None:
        """Return what a token is good for, or None for one that counts no longer, or never did."""
        program = program_of(self._records, token)
        return None if program is None else program.scopes

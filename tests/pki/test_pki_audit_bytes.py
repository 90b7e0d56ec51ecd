"""The bytes of audit entries are RFC 8785, by whatever they are made."""

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pki.ledger.database import canonical

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
FACTS = WORDS | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none()
NAMES = st.text(st.characters(max_codepoint=126, min_codepoint=32), min_size=1, max_size=12)


@given(st.dictionaries(NAMES, FACTS | st.dictionaries(NAMES, FACTS, max_size=4), max_size=6))
def test_audit_entries_are_canonical_json(entry):
    """Compared with the library for all of the standard, over any text."""
    assert canonical(entry) == rfc8785.dumps(entry)

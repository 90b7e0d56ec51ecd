"""Keyed fingerprints of secrets: alike for alike, and worth nothing to whoever steals them (F-E7)."""

import hashlib

from pki.issue import Factory


def test_alike_secrets_have_alike_fingerprints(factory: Factory) -> None:
    first, again, other = (factory.fingerprint(secret) for secret in (b"apn\0one", b"apn\0one", b"apn\0two"))
    assert first == again != other
    assert len(bytes.fromhex(first)) == 32


def test_nobody_can_try_secrets_out(factory: Factory) -> None:
    """A PIN has 10,000 values: an unkeyed hash would tell it."""
    shown = factory.fingerprint(b"pin\x001234")
    assert shown != hashlib.sha256(b"pin\x001234").hexdigest()
    assert b"1234".hex() not in shown

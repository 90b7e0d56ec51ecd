"""Security profile 2: only the unit's own password lets it in, and the server keeps none (F-H2, P01)."""

from http import HTTPStatus
from typing import Any

import pytest

from pki.passwords import Password, Verifier
from station.acceptance.impostor import claim, nobodys_password
from station.clock import Deadline

OWN, OTHERS = "4uR0ubl3x9Qz7Kp2Lm8W", "Zr8Lq2Wm5Xc1Vb7Nn4Hj"
COUSIN = "AC22-000002"


def answer(bench: Any, expected: Any, password: str) -> HTTPStatus:
    with bench.server.expect(expected):
        return claim(bench.server, expected, password, Deadline(30))


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
def test_only_its_own_password_lets_a_unit_in(bench: Any, version: str) -> None:
    """The proof can fail: with the right password it is let in."""
    expected = bench.expected(None, version, security_profile=2, password=OWN)
    found = [answer(bench, expected, password) for password in (OWN, nobodys_password(), "", OWN.encode().hex())]
    assert found == [HTTPStatus.SWITCHING_PROTOCOLS, *[HTTPStatus.UNAUTHORIZED] * 3]


def test_another_units_password_is_worth_nothing(bench: Any) -> None:
    """Both are expected at the same time: each is let in with its own, and with the other's neither."""
    one = bench.expected(None, security_profile=2, password=OWN)
    two = bench.expected(None, security_profile=2, password=OTHERS, identity=COUSIN, serial=COUSIN)
    with bench.server.expect(one), bench.server.expect(two):
        found = [claim(bench.server, unit, password, Deadline(30)) for unit in (one, two) for password in (OWN, OTHERS)]
    yes, no = HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.UNAUTHORIZED
    assert found == [yes, no, no, yes]


@pytest.mark.parametrize("identity", ["AC:22", "a b/1", "x" * 48])
def test_odd_identities_have_passwords_too(bench: Any, identity: str) -> None:
    """The colon that parts name and password may stand in the name."""
    expected = bench.expected(None, security_profile=2, password=OWN, identity=identity)
    assert answer(bench, expected, OWN) is HTTPStatus.SWITCHING_PROTOCOLS
    assert answer(bench, expected, f"22:{OWN}") is HTTPStatus.UNAUTHORIZED


def test_what_was_sent_is_kept_nowhere(bench: Any) -> None:
    """F-D7: the record of a connection says who came, and not with which password."""
    expected = bench.expected(None, security_profile=2, password=OWN)
    with bench.server.expect(expected) as visit:
        claim(bench.server, expected, OWN, Deadline(30))
        shown = visit.until(lambda: visit.connections or None, Deadline(30))
    assert [connection.basic for connection in shown] == [None]
    assert OWN not in repr(visit.expected) + visit.transcript().data.decode()
    assert isinstance(visit.expected.password, Verifier)


def test_a_password_on_profile_3_lets_nobody_in(bench: Any) -> None:
    """A unit of profile 3 that has a password beside its certificate is known by the certificate alone."""
    expected = bench.expected(bench.credential(), password=OWN)
    assert answer(bench, expected, OWN) is HTTPStatus.FORBIDDEN


def test_a_verifier_forgets_the_password() -> None:
    verifier = Verifier(Password(OWN))
    kept = [getattr(verifier, name) for name in verifier.__slots__]
    assert not [value for value in kept if OWN in str(value) or OWN.encode() in bytes(str(value), "utf-8")]

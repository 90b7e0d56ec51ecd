"""Nothing a device says is believed unbounded, and nothing that was said to it leaks."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from station.clock import Deadline
from station.drivers.mcuboot import open_charger
from station.errors import Defect, LinkError, StationError, UnitError

PASSWORD = "k9-Vx2-secret-of-one-unit"
LONG = "x" * 65


def soon() -> Deadline:
    return Deadline(30)


NONSENSE = {
    "short uid": {"uid": b"123"},
    "long uid": {"uid": bytes(33)},
    "text uid": {"uid": "12345678"},
    "control character": {"model": "AC22\x1b[2J"},
    "line break": {"serial": "AC22\n"},
    "long text": {"hw": LONG},
    "number for text": {"fw": 7},
    "number for flag": {"locked": 1},
    "many slots": {"slots": {f"slot{number}": b"" for number in range(9)}},
    "large key": {"slots": {"test": bytes(2049)}},
    "many abilities": {"caps": ["a"] * 33},
    "unknown transport": {"transport": {"alg": "rot13", "spki": b"1"}},
    "transport without key": {"transport": {"alg": "rsa-oaep"}},
}


@pytest.mark.parametrize("what", NONSENSE)
def test_an_identity_that_is_not_believable_is_refused(peer: Any, what: str) -> None:
    peer.replies[0, 64, 0] = peer.replies[0, 64, 0] | NONSENSE[what]
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).identify(soon())
    assert caught.value.defect is Defect.PROTOCOL
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x80", b"\x9f" * 900, b"\xa1\x01\x02"])
def test_an_answer_that_is_no_message_is_refused(peer: Any, wire: Any, body: bytes) -> None:
    """Broken CBOR, a list, deep nesting, keys that are no text."""

    def answer(_: Any) -> bytes:
        request = peer.requests[-1]
        return bytes(wire.framed(bytes([request[0] + 1, 0]) + len(body).to_bytes(2) + request[4:8] + body))

    peer.replies[0, 64, 0] = answer
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).identify(soon())
    assert caught.value.defect is Defect.PROTOCOL


def test_a_file_larger_than_256_kib_is_refused(peer: Any) -> None:
    peer.replies[0, 8, 0] = {"off": 0, "data": b"x", "len": 256 * 1024 + 1}
    with pytest.raises(UnitError, match="larger"):
        open_charger(lambda: peer.node).read_file("/lfs/anchors.pem", soon())


@pytest.mark.parametrize("piece", [{"off": 0, "data": b""}, {"off": 5, "data": b"x"}, {"off": 1, "data": b"xxx"}])
def test_a_file_whose_pieces_do_not_fit_is_refused(peer: Any, piece: dict[str, Any]) -> None:
    peer.replies[0, 8, 0] = lambda body: {"off": 0, "data": b"x", "len": 3} if body["off"] == 0 else piece
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).read_file("/lfs/anchors.pem", soon())
    assert caught.value.defect is Defect.PROTOCOL


@pytest.mark.parametrize(("offset", "defect"), [(10**9, Defect.PROTOCOL), (-1, Defect.PROTOCOL), (0, Defect.FLASH)])
def test_an_upload_to_nowhere_ends(peer: Any, offset: int, defect: Defect) -> None:
    peer.replies[2, 1, 1] = {"off": offset}
    with pytest.raises(UnitError) as caught:
        list(open_charger(lambda: peer.node).write_firmware(bytes(5000), soon()))
    assert caught.value.defect is defect


def test_a_request_larger_than_8_kib_is_refused(peer: Any) -> None:
    peer.replies[2, 64, 1] = {"csr": bytes(8193)}
    with pytest.raises(UnitError, match="csr"):
        open_charger(lambda: peer.node).create_key("", "AC22-1", replace=True, deadline=soon())


def test_a_list_of_impossible_firmware_is_refused(peer: Any) -> None:
    peer.replies[0, 1, 0] = {"images": [{"slot": 0, "version": "1.0\x07", "hash": bytes(32)}]}
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).firmware(soon())
    assert caught.value.defect is Defect.PROTOCOL


def everything(error: BaseException, seen: frozenset[int] = frozenset()) -> str:
    """Return all that a log or a debugger's report could show of an error, its causes and its hidden context."""
    parts = [*traceback.format_exception(error), repr(error), str(vars(error)), str(error.args)]
    others = (other for other in (error.__cause__, error.__context__) if other is not None and id(other) not in seen)
    parts.extend(everything(other, seen | {id(error)}) for other in others)
    return "\n".join(parts)


def _echo_back(peer: Any, wire: Any) -> bytes:
    """Answer with what was asked, as a broken device would."""
    return bytes(wire.framed(wire.respond(peer.requests[-1], {"header": PASSWORD, "rc": PASSWORD})))


REACTIONS: dict[str, Callable[[Any, Any], Callable[[dict[str, Any]], Any]]] = {
    "no answer": lambda peer, wire: lambda body: None,
    "refusal": lambda peer, wire: lambda body: {"err": {"group": 3, "rc": 6}},
    "refusal with the text": lambda peer, wire: lambda body: {"rc": 3, "rsn": body["val"].decode()},
    "the request itself": lambda peer, wire: lambda body: _echo_back(peer, wire),
    "wrong fields": lambda peer, wire: lambda body: {"err": {"group": body["val"].decode(), "rc": 1}},
    "vanishing": lambda peer, wire: lambda body: setattr(peer, "node", None),
}


@pytest.mark.parametrize("how", REACTIONS)
def test_a_password_is_in_no_error_and_no_log(
    peer: Any, wire: Any, how: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """F-L6: whatever goes wrong while it is written; the libraries' own errors and logs quote whole requests."""
    peer.replies[2, 3, 0] = REACTIONS[how](peer, wire)
    charger = open_charger(lambda: peer.node)
    charger.identify(soon())
    for name in ("", "smp", "smp.packet", "smpclient", "station"):
        caplog.set_level(logging.DEBUG, logger=name)
    with pytest.raises(StationError) as caught:
        charger.write_settings({"charger/ocpp/password": PASSWORD.encode()}, Deadline(3))
    printed = capfd.readouterr()
    for shown in (everything(caught.value), caplog.text, printed.out, printed.err):
        for secret in (PASSWORD, PASSWORD.encode().hex(), repr(PASSWORD.encode())):
            assert secret not in shown


def test_a_wrong_value_read_back_is_not_quoted(peer: Any) -> None:
    """What a device answers may be a secret too."""
    peer.replies[0, 3, 0] = {"val": [PASSWORD]}
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).read_settings(("charger/ocpp/password",), soon())
    assert PASSWORD not in everything(caught.value)
    assert "val" in caught.value.message


def test_a_vanished_port_leaves_no_library_error_behind(peer: Any) -> None:
    charger = open_charger(lambda: peer.node)
    charger.identify(soon())
    peer.node = "/dev/pts/does-not-exist"
    peer.replies[2, 3, 0] = None
    with pytest.raises(LinkError) as caught:
        charger.write_settings({"charger/ocpp/password": PASSWORD.encode()}, Deadline(2))
    assert PASSWORD not in everything(caught.value)

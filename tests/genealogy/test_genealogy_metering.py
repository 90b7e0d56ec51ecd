"""Signed readings of meters: what proves a meter's key, and everything that must not (F-I4)."""

import json
import random
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.errors import Defect, UnitError
from station.steps.metering import proven_reading, public_key
from station.steps.meters import fits_key

SERIAL = "2EXC0112345678"
KEBA = (
    'OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE","IF":['
    '"RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":[{"TM":"2019-08-13T10:03:1'
    '5,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh"},{"TM":"2019-08-13T10:03'
    ':36,000+0000 R","TX":"E","EF":"","ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":"kWh"}]}|{"SD":"304502200E2F'
    "107C987A300AC1695CA89EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D65364BEA8562E7F6A0253157ACFF8"
    '4FE4929A93B5964D23C4265699"}'
)
KEBA_KEY = (
    "3059301306072A8648CE3D020106082A8648CE3D030107034200043AEEB45C392357820A58FDFB0857BD77ADA31585C61C430531DFA53B440A"
    "FBFDD95AC887C658EA55260F808F55CA948DF235C2108A0D6DC7D4AB1A5E1A7955BE"
)
"""A record of a charger on the market, with its public key, as the Transparenzsoftware's tests publish them."""
KEY = ec.generate_private_key(ec.SECP256R1())


def spki(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


OURS = spki(KEY).hex()


def signed(key: Any = KEY, value: dict[str, Any] | None = None, **payload: Any) -> str:
    """Return a reading as a meter signs it."""
    reading = {"TM": "2026-11-21T13:00:00,000+0000 S", "RV": 0.012, "RI": "01-00:01.08.00.FF", "RU": "kWh", "ST": "G"}
    head = {"FV": "1.2", "PG": "F1", "MS": SERIAL, "IS": False, "RD": [reading | (value or {})]}
    text = json.dumps(head | payload)
    signature = b64encode(key.sign(text.encode(), ec.ECDSA(SHA256()))).decode()
    return f"OCMF|{text}|{json.dumps({'SA': 'ECDSA-secp256r1-SHA256', 'SE': 'base64', 'SD': signature})}"


def test_reading_of_a_meter_on_the_market_is_proven() -> None:
    """Its maker, its format's version and its way of naming itself are not ours."""
    assert proven_reading(KEBA, public_key(KEBA_KEY), "17619300") == pytest.approx(0.2597)


def test_energy_is_told_in_kwh() -> None:
    assert proven_reading(signed(), OURS, SERIAL) == pytest.approx(0.012)
    assert proven_reading(signed(value={"RU": "Wh", "RV": 12}), OURS, SERIAL) == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (signed(ec.generate_private_key(ec.SECP256R1())), "another key"),
        (signed().replace('"RV": 0.012', '"RV": 0.013'), "another key"),
        (signed(MS="2EXC0112345679"), "another meter"),
        (signed(value={"ST": "M"}), "not good"),
        (signed(value={"EF": "E"}), "not good"),
        (signed(value={"RU": "mOhm"}), "no reading of energy"),
        (signed(value={"RV": None}), "no signed reading|no reading"),
        (signed(RD=[]), "no signed reading|no reading"),
        (signed(PG="X1"), "no signed reading"),
        (signed() + "|" + OURS, "no signed reading"),
        (signed().replace("secp256r1", "secp384r1"), "no signed reading"),
        ("OCMF|{}|{}", "no signed reading"),
        ("OCMF|" + "[" * 4000 + "|{}", "no signed reading"),
        ("", "no signed reading"),
    ],
)
def test_reading_that_proves_nothing_fails_the_unit(text: str, told: str) -> None:
    with pytest.raises(UnitError, match=told) as caught:
        proven_reading(text, OURS, SERIAL)
    assert caught.value.defect is Defect.GENEALOGY
    assert caught.value.hint.startswith("Take the unit to rework")


def test_no_flipped_bit_is_proven_and_none_is_a_bug_of_ours() -> None:
    """Untrusted bytes of a device end in a verdict on the unit, whatever they are."""
    choose, text = random.Random(5), signed()
    for _ in range(150):
        at = choose.randrange(len(text))
        bad = text[:at] + chr(choose.randrange(32, 127)) + text[at + 1 :]
        if json.dumps(bad) != json.dumps(text):
            try:
                assert proven_reading(bad, OURS, SERIAL) == pytest.approx(0.012)
                assert bad.split("|")[1] == text.split("|")[1]
            except UnitError:
                continue


@pytest.mark.parametrize(
    "text",
    ["", "zz", "3059", OURS[:-2], spki(ed25519.Ed25519PrivateKey.generate()).hex(), "00" * 600],
    ids=["empty", "no number", "begun", "cut", "another algorithm", "too long"],
)
def test_what_is_no_key_of_a_meter_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="public key"):
        public_key(text)


def test_key_has_one_form() -> None:
    """Upper case, and a compressed point: the same key, so the same bytes in record, CPMS and passport."""
    compressed = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    assert public_key(OURS.upper()) == public_key((head + compressed).hex()) == OURS


def test_printed_key_is_compared_in_every_form_that_fits_a_scan() -> None:
    whole = spki(KEY)
    base64 = b64encode(whole).decode()
    assert len(base64) <= 128
    for code in (base64, OURS, OURS.upper(), sha256(whole).hexdigest(), f" {base64} "):
        assert fits_key(code, OURS)
    for code in ("", "M26 0102", base64[:-4], sha256(b"").hexdigest(), b64encode(whole[::-1]).decode(), "ä", "=" * 40):
        assert not fits_key(code, OURS)

"""Every rule and every vector of the identifiers: strict for what we make, tolerant for what devices say (F-A7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from station.identifiers import Kind, Rules, parse

OMITTED = Rules(iccid_check_digit_omitted=True)
COMPANY = Rules(mac_prefixes=("8C1F64ABC", "001122"))
GOOD = [
    (Kind.MAC, "00:11:22:aa:bb:cc", "001122AABBCC"),
    (Kind.EUI64, "0011-22FF-FEAA-BBCC", "001122FFFEAABBCC"),
    (Kind.ICCID, "8965 8808 1210 0011 146", "896588081210001114"),
    (Kind.ICCID, "8965880812100011146F", "896588081210001114"),
    (Kind.IMSI, "901405100000010", "901405100000010"),
    (Kind.IMEI, "49-015420-323751-8", "490154203237518"),
    (Kind.EID, "89049032123451234512345678901235", "89049032123451234512345678901235"),
    (Kind.METER, "1 EMH00 1234 5678", "1EMH0012345678"),
    (Kind.METER, "2 EMH 0F 1234 5678", "2EMH0F12345678"),
    (Kind.METER, "0A01454D480000BC614E", "1EMH0012345678"),
    (Kind.SEAL, "m25 0102-17", "M250102-17"),
    (Kind.OCPP_IDENTITY, "AC22-000017", "AC22-000017"),
    (Kind.EVSE_ID, "DE*823*E1234*5678", "DE823E12345678"),
    (Kind.EVSE_ID, "DE823E12345678", "DE823E12345678"),
    (Kind.SECC_ID, "DE-ICE-S-" + "A1" * 17, "DEICES" + "A1" * 17),
    (Kind.GTIN, "4006381333931", "04006381333931"),
    (Kind.GTIN, "73513537", "00000073513537"),
    (Kind.GS1_SERIAL, "AC22-000017", "AC22-000017"),
]
BAD = [
    (Kind.MAC, "001122AABBC", "form"),
    (Kind.MAC, "011122AABBCC", "multicast"),
    (Kind.MAC, "021122AABBCC", "locally administered"),
    (Kind.MAC, "000000000000", "no address"),
    (Kind.MAC, "FF:FF:FF:FF:FF:FF", "no address"),
    (Kind.MAC, "00112233445٣", "characters"),
    (Kind.ICCID, "8965880812100011147", "check digit"),
    (Kind.ICCID, "891004234814455936F", "form"),
    (Kind.ICCID, "7965880812100011146", "form"),
    (Kind.IMSI, "90140 5100000010", "form"),
    (Kind.IMEI, "490154203237519", "check digit"),
    (Kind.EID, "89049032123451234512345678901236", "check digits"),
    (Kind.METER, "EMH-17", "14 characters"),
    (Kind.OCPP_IDENTITY, "AC22:000017", "capital letters"),
    (Kind.OCPP_IDENTITY, "AC22_000017", "capital letters"),
    (Kind.OCPP_IDENTITY, "A" * 26, "capital letters"),
    (Kind.EVSE_ID, "DE*ICE*E*1234567890*1", "form"),
    (Kind.EVSE_ID, "DE*823E1234", "form"),
    (Kind.EVSE_ID, "DE*823*E12_4", "form"),
    (Kind.EVSE_ID, "DE*823*E1" + "*1" * 15, "too long"),
    (Kind.GTIN, "4006381333932", "check digit"),
    (Kind.GS1_SERIAL, "A" * 21, "GS1"),
    (Kind.SEAL, "", "empty"),
    (Kind.COMPONENT, "A\x1dB", "characters"),
    (Kind.COMPONENT, "A" * 129, "too long"),
]
CONTRACTS = [
    *("NN123ABCDEFGHI-T", "FRXYZ123456789-2", "ITA1B2C3E4F5G6-4", "ESZU8WOX834H1D-R"),
    *("PT73902837ABCZ-Z", "DE83DUIEN83QGZ-D", "DE83DUIEN83ZGQ-M", "DE8AA001234567-0"),
]


@pytest.mark.parametrize(("kind", "text", "value"), GOOD)
def test_what_we_make(kind: Kind, text: str, value: str) -> None:
    """However it is written, an identifier has one form in which it is compared."""
    assert parse(kind, text).value == value
    assert parse(kind, parse(kind, text).written).value == value


@pytest.mark.parametrize(("kind", "text", "words"), BAD)
def test_what_we_never_make(kind: Kind, text: str, words: str) -> None:
    """What breaks its rule is refused with the reason and the expected format in one sentence."""
    with pytest.raises(ValueError, match=words) as refusal:
        parse(kind, text)
    assert f"is no {kind.value}: " in str(refusal.value)
    assert "expected " in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.MAC, "02-11-22-AA-BB-CC", "021122AABBCC"),
        (Kind.IMSI, "26202 1234567890", "262021234567890"),
        (Kind.METER, "EMH-17", "EMH-17"),
        (Kind.OCPP_IDENTITY, "de*ice|17", "DE*ICE|17"),
        (Kind.EVSE_ID, "DE*ICE*E*1234567890*1", "DEICEE12345678901"),
        (Kind.EVSE_ID, "+49*823*1234*5678", "DE823E12345678"),
        (Kind.EVSE_ID, "+49*8234*1234", "4982341234"),
    ],
)
def test_what_foreign_devices_say(kind: Kind, text: str, value: str) -> None:
    """A device's own identifier may break the rules for ours; strictly it is refused."""
    assert parse(kind, text, strict=False).value == value
    with pytest.raises(ValueError, match="expected"):
        parse(kind, text)


def test_both_forms_of_an_iccid() -> None:
    """A list without check digits names the same SIM as the modem that tells it; both forms are kept (F-F2)."""
    payload = "8988303000001234567"
    told = payload + luhn.calc_check_digit(payload)
    listed = parse(Kind.ICCID, payload, rules=OMITTED)
    assert (listed.value, listed.written) == (payload, told)
    assert parse(Kind.ICCID, told) == parse(Kind.ICCID, told, rules=OMITTED) == listed
    with pytest.raises(ValueError, match="check digit"):
        parse(Kind.ICCID, payload)


def test_check_digit_of_the_vector() -> None:
    """896588081210001114 has the check digit 6."""
    assert parse(Kind.ICCID, "8965880812100011146").written.endswith("6")


def test_address_blocks_of_the_company() -> None:
    """A MAC of another maker's block is refused, whatever the size of the block."""
    assert parse(Kind.MAC, "8C1F64ABC001", rules=COMPANY).value == "8C1F64ABC001"
    with pytest.raises(ValueError, match="not of the blocks"):
        parse(Kind.MAC, "8C1F64ABD001", rules=COMPANY)
    with pytest.raises(ValueError, match="MA-L, MA-M or MA-S"):
        Rules(mac_prefixes=("8C1F",))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_check_character_of_contracts(contract: str) -> None:
    """The eight published vectors hold, with separators and without a check digit too."""
    assert parse(Kind.CONTRACT, contract).written == contract.replace("-", "")
    assert parse(Kind.CONTRACT, contract[:-2]) == parse(Kind.CONTRACT, f"{contract[:2]}-{contract[2:]}")
    with pytest.raises(ValueError, match="check digit"):
        parse(Kind.CONTRACT, contract[:-1] + ("1" if contract[-1] != "1" else "3"))


@given(st.sampled_from(Kind), st.text(max_size=140), st.booleans())
def test_any_text(kind: Kind, text: str, strict: bool) -> None:
    """Whatever is scanned: an identifier in printable ASCII, or a sentence in it."""
    try:
        found = parse(kind, text, strict=strict)
    except ValueError as refusal:
        said = str(refusal).replace("…", "")
    else:
        said = found.value + found.written
        assert parse(kind, found.written, strict=strict).value == found.value
    assert said.isascii()
    assert said.isprintable()

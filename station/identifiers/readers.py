"""How each kind of identifier is read: what must hold, and the form in which two of them are compared.

Every reader takes a stripped, printable text, and returns the form that is compared and the one that is written, or
raises ValueError with what is wrong in it.
"""

import re
from dataclasses import dataclass

from stdnum import ean, luhn
from stdnum.iso7064 import mod_97_10

from station.identifiers.equality import shown
from station.identifiers.matrix import matrix_check

Forms = tuple[str, str]
"""The form that is compared, and the form that is printed, kept and sent."""


@dataclass(frozen=True)
class Rules:
    """What a maker or a network operator declares of its numbers."""

    iccid_check_digit_omitted: bool = False
    """Whether the operator's lists give ICCIDs of 19 digits that have lost the check digit of 20."""
    mac_prefixes: tuple[str, ...] = ()
    """Address blocks of the company: 6, 7 or 9 hexadecimal digits (MA-L, MA-M, MA-S); empty allows all."""

    def __post_init__(self) -> None:
        """Refuse a block that no registry gives."""
        for prefix in self.mac_prefixes:
            if not re.fullmatch(r"[0-9A-F]{6}|[0-9A-F]{7}|[0-9A-F]{9}", prefix):
                raise ValueError(f"'{shown(prefix)}' is no MA-L, MA-M or MA-S: 6, 7 or 9 capital hexadecimal digits")


@dataclass(frozen=True)
class How:
    """How an identifier is to be read."""

    strict: bool
    """Whether it is one that we make, print or buy."""
    rules: Rules


def _must(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError("its form is wrong")
    return text


def _require(*, holds: object, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def mac(text: str, how: How) -> Forms:
    """Read an EUI-48; strict: unique in the world, and of the maker's own blocks."""
    address = _must(r"[0-9A-F]{12}", re.sub(r"[:.\- ]", "", text).upper())
    _require(holds=address not in ("0" * 12, "F" * 12), reason="it is no address of a station")
    first = int(address[:2], 16)
    _require(holds=not first & 1, reason="it is a multicast address")
    if how.strict:
        _require(holds=not first & 2, reason="it is locally administered, so not unique in the world")
        allowed = not how.rules.mac_prefixes or address.startswith(how.rules.mac_prefixes)
        _require(holds=allowed, reason=f"it is not of the blocks {', '.join(how.rules.mac_prefixes)}")
    return address, address


def eui64(text: str, how: How) -> Forms:
    """Read an EUI-64."""
    del how
    address = _must(r"[0-9A-F]{16}", re.sub(r"[:.\- ]", "", text).upper())
    return address, address


def iccid(text: str, how: How) -> Forms:
    """Read the number of a SIM; compared is its payload, as lists may leave the check digit out."""
    digits = _must(r"89\d{17,18}", text.replace(" ", "").upper().removesuffix("F"))
    if how.rules.iccid_check_digit_omitted and len(digits) == 19:
        return digits, digits + luhn.calc_check_digit(digits)
    _require(holds=luhn.is_valid(digits), reason="its check digit is wrong")
    return digits[:-1], digits


def imsi(text: str, how: How) -> Forms:
    """Read the number of a subscription (ITU-T E.212)."""
    digits = _must(r"\d{14,15}", text if how.strict else text.replace(" ", ""))
    return digits, digits


def imei(text: str, how: How) -> Forms:
    """Read the number of a modem (3GPP TS 23.003 section 6.2)."""
    del how
    digits = _must(r"\d{15}", re.sub(r"[\- ]", "", text))
    _require(holds=luhn.is_valid(digits), reason="its check digit is wrong")
    return digits, digits


def eid(text: str, how: How) -> Forms:
    """Read the number of an eUICC (SGP.29)."""
    del how
    digits = _must(r"89\d{30}", text.replace(" ", ""))
    _require(holds=mod_97_10.is_valid(digits), reason="its check digits are wrong")
    return digits, digits


def meter(text: str, how: How) -> Forms:
    """Read the number of a meter (DIN 43863-5, DIN 43849); tolerant: not all meters have such a number."""
    packed = _unpacked_meter(text.replace(" ", "").upper())
    if re.fullmatch(r"[0-9A-Z][A-Z]{3}[0-9A-F]{2}\d{8}", packed):
        return packed, packed
    _require(holds=not how.strict, reason="its form is wrong")
    return (_must(r"[ -~]{1,25}", text),) * 2


def _unpacked_meter(text: str) -> str:
    """Write the ten bytes of a meter's own protocol (SML) as the 14 characters on its plate."""
    if not re.fullmatch(r"0A[0-9A-F]{18}", text):
        return text
    sector, maker, block, number = int(text[2:4], 16), bytes.fromhex(text[4:10]), text[10:12], int(text[12:], 16)
    return f"{sector:X}{maker.decode('ascii', 'replace')}{block}{number:08d}"


def seal(text: str, how: How) -> Forms:
    """Read what a seal bears."""
    del how
    return _must(r"[!-~]{1,30}", text.replace(" ", "").upper()), text.upper()


def component(text: str, how: How) -> Forms:
    """Read the serial number or lot of a part, whose form is its maker's."""
    del how
    return (_must(r"[ -~]{1,64}", text),) * 2


def ocpp_identity(text: str, how: How) -> Forms:
    """Read an OCPP identity; two that differ only in the case of letters are the same, as to many servers."""
    if how.strict:
        return (_must(r"[A-Z0-9][A-Z0-9-]{3,23}[A-Z0-9]", text),) * 2
    return (_must(r"[A-Za-z0-9*_=+|@.\-]{1,48}", text).upper(),) * 2


COUNTRIES = {
    "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "36": "HU", "39": "IT", "40": "RO", "41": "CH",
    "43": "AT", "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE", "351": "PT", "352": "LU",
    "353": "IE", "358": "FI", "370": "LT", "371": "LV", "372": "EE", "385": "HR", "386": "SI", "420": "CZ",
    "421": "SK", "423": "LI",
}  # fmt: skip
"""Countries by their calling codes, as the EVSE-IDs of DIN SPEC 91286 have them."""


def evse_id(text: str, how: How) -> Forms:
    """Read an EVSE-ID (ISO 15118-2 annex H); separators don't count, and there is no check digit."""
    name = text.upper()
    if not how.strict:
        name = _of_din_91286(name)
        name = _must(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E\*?[A-Z0-9][A-Z0-9*]{0,30}|\d{1,3}\*\d{3,6}\*[\d*]{1,32}", name)
        return name.replace("*", ""), name
    _must(r"[A-Z]{2}(\*?)[A-Z0-9]{3}\1E[A-Z0-9][A-Z0-9*]{0,30}", name)
    _require(holds=len(name) <= 37, reason="it is too long")
    return name.replace("*", ""), name


def _of_din_91286(name: str) -> str:
    """Write an EVSE-ID of before 2013 as today's: `+49*823*1234*5678` is `DE*823*E1234*5678`."""
    found = re.fullmatch(r"\+?(\d{1,3})\*(\d{3,6})\*([\d*]{1,32})", name)
    if found is None:
        return name
    country, operator, outlet = found.groups()
    if country not in COUNTRIES or len(operator) != 3:
        return f"{country}*{operator}*{outlet}"
    return f"{COUNTRIES[country]}*{operator}*E{outlet}"


def secc_id(text: str, how: How) -> Forms:
    """Read the ID of a charging station's controller (ISO 15118-20); separators don't count."""
    del how
    name = _must(r"[A-Z]{2}[A-Z0-9]{3}S[A-Z0-9]{33,58}", text.upper().replace("-", ""))
    return name, name


def contract(text: str, how: How) -> Forms:
    """Read a contract's ID (eMAID); its check digit, which may be left out, does not count."""
    del how
    name = _must(r"[A-Z]{2}[A-Z0-9]{12,13}", text.upper().replace("-", ""))
    check = matrix_check(name[:14])
    _require(holds=name[14:] in ("", check), reason="its check digit is wrong")
    return name[:14], name[:14] + check


def gtin(text: str, how: How) -> Forms:
    """Read a GTIN; all lengths are compared as 14 digits, the shorter with zeros before them."""
    del how
    digits = _must(r"\d{8}|\d{12,14}", text.replace(" ", ""))
    _require(holds=ean.is_valid(digits), reason="its check digit is wrong")
    return digits.zfill(14), digits


def gs1_serial(text: str, how: How) -> Forms:
    """Read a serial number as GS1 Digital Link bears it: AI (21), character set 82."""
    del how
    return (_must(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}", text),) * 2

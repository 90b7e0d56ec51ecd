"""Classes of unit passwords as data: alphabet, form, entropy, encoding, and over what each must be unique.

Every one is drawn from the HSM's random generator and from nothing else: no counter, serial number or MAC goes in.

Ref: UK SI 2023/1007 schedule 1 (unique per product, not derived, not guessable), ETSI EN 303 645 provision 5.1-1,
OCPP 1.6 security white paper (AuthorizationKey of 16 to 20 bytes, sent as hexadecimal), OCPP 2.0.1 part 2 A00
(BasicAuthPassword of 16 to 40 characters, sent as it is).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import log2
from string import ascii_letters, digits

from pki.errors import KeystoreError
from pki.passwords.value import Password

Random = Callable[[int], bytes]
POLICY_VERSION = 1
"""Stands in each audit entry; raise it with every change of a policy."""
BASE58 = "".join(sorted(set(digits + ascii_letters) - set("0OIl")))
CROCKFORD = "".join(sorted(set(digits + ascii_letters.upper()) - set("ILOU")))
TRIES = 32
_COMMON = frozenset({"112233", "123321", "147258", "159753", "246810", "11223344", "12344321", "14725836", "19700101"})


class Kind(StrEnum):
    """What a password is for."""

    OCPP = "ocpp"
    WIFI = "wifi"
    WEB = "web"
    PIN = "pin"
    BLE_PIN = "ble-pin"
    CLAIM = "claim"
    RECOVERY = "recovery"


class Encoding(StrEnum):
    """How its characters travel; stacks that guess it wrongly lock a unit out."""

    ASCII = "ascii"
    OCPP = "ascii;ocpp1.6=hex"
    """As it is in OCPP 2.x, each byte as two digits in 1.6."""


@dataclass(frozen=True)
class Policy:
    """How one kind is made."""

    alphabet: str
    groups: tuple[int, ...]
    """Characters between the hyphens."""
    encoding: Encoding = Encoding.ASCII
    per_unit: bool = False
    """Too short to be unique by itself: the pair with its unit is."""

    @property
    def length(self) -> int:
        """Return the number of drawn characters."""
        return sum(self.groups)

    @property
    def bits(self) -> float:
        """Return the entropy of a drawn password, before the weak ones are refused."""
        return self.length * log2(len(self.alphabet))


POLICIES: dict[Kind, Policy] = {
    # Letters and digits only: printable for stacks that guess whether hexadecimal was meant, no colon of Basic auth.
    Kind.OCPP: Policy(digits + ascii_letters, (20,), Encoding.OCPP),
    Kind.WIFI: Policy(BASE58, (4, 4, 4, 4)),
    Kind.WEB: Policy(BASE58, (4, 4, 4, 4)),
    Kind.PIN: Policy(digits, (8,), per_unit=True),
    Kind.BLE_PIN: Policy(digits, (6,), per_unit=True),
    Kind.CLAIM: Policy(CROCKFORD, (5, 5)),
    Kind.RECOVERY: Policy(CROCKFORD, (4,) * 7),
}


def draw(kind: Kind, unit: str, random: Random) -> Password:
    """Return a new password of a kind, made of `random` alone; the unit only says what would be guessable.

    Raises:
        KeystoreError: The random generator gives nothing but weak ones.
    """
    policy = POLICIES[kind]
    for _ in range(TRIES):
        text = _characters(policy, random)
        if not weak(text, unit):
            return Password(_grouped(text, policy.groups))
    raise KeystoreError("the HSM's random numbers are not random", hint="Stop the line and replace the HSM.")


def weak(text: str, unit: str) -> bool:
    """Tell whether digits are what anybody tries first: two of them, regular, common, or in the unit's name."""
    if not text.isdigit():
        return False
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(text)}
    repeats = text in (text + text)[1:-1]
    named = text in "".join(filter(str.isdigit, unit))
    return len(set(text)) < 3 or len(steps) == 1 or repeats or named or text in _COMMON


def _characters(policy: Policy, random: Random) -> str:
    # Bytes above the largest multiple of the alphabet's size are left out, so every character is equally likely.
    size = len(policy.alphabet)
    usable = 256 - 256 % size
    text = ""
    for _ in range(TRIES):
        text += "".join(policy.alphabet[byte % size] for byte in random(2 * policy.length) if byte < usable)
        if len(text) >= policy.length:
            return text[: policy.length]
    raise KeystoreError("the HSM's random numbers are not random", hint="Stop the line and replace the HSM.")


def _grouped(text: str, groups: tuple[int, ...]) -> str:
    ends = [sum(groups[: number + 1]) for number in range(len(groups))]
    return "-".join(text[end - size : end] for end, size in zip(ends, groups, strict=True))

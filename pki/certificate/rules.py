"""What a profile must keep to, as tables: RFC 5280 for all, and the rulebook of each standard that a profile cites.

A rule names the key of the file that breaks it and the clause that says so. Clauses of ISO 15118 and IEEE 802.1AR are
quoted as EVerest, Hubject and RustCrypto quote them.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pki.algorithm import Algorithm
from pki.certificate.model import Profile
from pki.errors import ProfileError

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
WHERE = ("never", "known", "must")
MAX_SECC_DAYS = 92
NO_IDENTITIES = ("192.0.2.1", "2001:DB8::1", "https://csms.example.com/ocpp", "csms.example.com")
"""What OCPP does not want as a station's common name: addresses and host names."""


class Rule(NamedTuple):
    """One sentence of a standard about one key of a profile."""

    key: str
    sentence: str
    holds: Callable[[Profile], bool]


def _uses(profile: Profile, *usages: str) -> bool:
    return set(usages) <= set(profile.key_usage)


def _fits(profile: Profile, text: str) -> bool:
    return re.fullmatch(profile.common_name, text) is not None


def _one(left: object, right: object) -> bool:
    return bool(left) == bool(right)


RFC5280 = (
    Rule("key_usage", "must not be empty (4.2.1.3)", lambda p: bool(p.key_usage)),
    Rule(
        "key_usage",
        "must hold key_cert_sign in a CA and nowhere else (4.2.1.3)",
        lambda p: p.ca == _uses(p, "key_cert_sign"),
    ),
    Rule(
        "key_usage",
        "must not hold key_encipherment with these keys (RFC 8813 section 3)",
        lambda p: not _uses(p, "key_encipherment"),
    ),
    Rule(
        "key_usage",
        "must not hold data_encipherment with these keys (RFC 8813 section 3)",
        lambda p: not _uses(p, "data_encipherment"),
    ),
    Rule(
        "key_usage",
        "must not hold key_agreement with Ed448 (RFC 9295 section 3)",
        lambda p: p.key != "ed448" or not _uses(p, "key_agreement"),
    ),
    Rule(
        "key_usage",
        "must hold key_agreement with encipher_only or decipher_only (4.2.1.3)",
        lambda p: _uses(p, "key_agreement") or not {"encipher_only", "decipher_only"} & set(p.key_usage),
    ),
    Rule("subject", "must hold CN or serialNumber", lambda p: bool({"CN", "serialNumber"} & set(p.subject))),
    Rule("subject", "must hold an attribute once only", lambda p: len(set(p.subject)) == len(p.subject)),
    Rule("sample", "must match common_name", lambda p: _fits(p, p.sample)),
    Rule(
        "path_length",
        "must be for a CA, 0 or more (4.2.1.9)",
        lambda p: p.path_length == 0 or (p.ca and p.path_length > 0),
    ),
    Rule("basic_constraints", "must be there in a CA (4.2.1.9)", lambda p: p.basic_constraints or not p.ca),
    Rule("subject_key_identifier", "must be there in a CA (4.2.1.2)", lambda p: p.subject_key_identifier or not p.ca),
    Rule("extended_key_usage", "must be for end entities (4.2.1.12)", lambda p: not (p.ca and p.extended_key_usage)),
    Rule(
        "alt_name",
        "must hold the host's name of a server (RFC 9525)",
        lambda p: "server_auth" not in p.extended_key_usage or p.alt_name in {"host_names", "common_name"},
    ),
    Rule("country", "must stand with C in the subject, and C with it", lambda p: _one(p.country, "C" in p.subject)),
    Rule(
        "organizational_unit",
        "must stand with OU in the subject, and OU with it",
        lambda p: _one(p.organizational_unit, "OU" in p.subject),
    ),
    Rule(
        "domain_component",
        "must stand with DC in the subject, and DC with it",
        lambda p: _one(p.domain_component, "DC" in p.subject),
    ),
    Rule(
        "hardware_type",
        "must stand with alt_name hardware_module, and that with it",
        lambda p: _one(p.hardware_type, p.alt_name == "hardware_module"),
    ),
    Rule(
        "unit_domain",
        "must stand with alt_name unit_domain, and that with it",
        lambda p: _one(p.unit_domain, p.alt_name == "unit_domain"),
    ),
    Rule(
        "ocsp_no_check",
        "must stand with ocsp_signing, and that with it (RFC 6960 section 4.2.2.2.1)",
        lambda p: p.ocsp_no_check == ("ocsp_signing" in p.extended_key_usage),
    ),
    Rule(
        "days",
        "must be 0 or more, and 0 for what never expires",
        lambda p: p.days >= 0 and not (p.never_expires and p.days),
    ),
    Rule("days", "must be needed for units", lambda p: not p.unit or p.days > 0 or p.never_expires),
    Rule("minimum_days", "must be at most days", lambda p: 0 <= p.minimum_days <= (p.days or p.minimum_days)),
    Rule("outlives_issuer", "must be for what never expires only", lambda p: p.never_expires or not p.outlives_issuer),
    Rule("unit", "must not be for a CA", lambda p: not (p.unit and p.ca)),
    Rule("allowed", "must give a reason for each finding", lambda p: all(entry.why for entry in p.allowed)),
)

LEAF = (
    Rule("ca", "must be false", lambda p: not p.ca),
    Rule("key_usage", "must hold digital_signature", lambda p: _uses(p, "digital_signature")),
)
SECC = (
    *LEAF,
    Rule(
        "subject", "must hold CN, O, C and DC (V2G2-875, V2G2-925)", lambda p: {"CN", "O", "C", "DC"} <= set(p.subject)
    ),
    Rule("basic_constraints", "must be present and critical", lambda p: p.basic_constraints),
    Rule("extended_key_usage", "must not be present", lambda p: not p.extended_key_usage),
    Rule("ocsp", "must be must: the vehicle asks the responder", lambda p: p.ocsp == "must"),
    Rule("days", f"must be 1 to {MAX_SECC_DAYS}", lambda p: 0 < p.days <= MAX_SECC_DAYS),
)
BOOKS: dict[str, tuple[Rule, ...]] = {
    "ocpp-station": (
        *LEAF,
        Rule(
            "subject",
            "must be O (owner, A00.FR.509) and CN (serial number, A00.FR.511)",
            lambda p: {"O", "CN"} <= set(p.subject),
        ),
        Rule(
            "common_name",
            "must not allow an address or a host name (A00.FR.511)",
            lambda p: not any(_fits(p, text) for text in NO_IDENTITIES),
        ),
        Rule(
            "extended_key_usage",
            "must be set by the switch client_auth only (A00.FR.514)",
            lambda p: p.extended_key_usage == (("client_auth",) if ("client_auth", True) in p.switches else ()),
        ),
        Rule("alt_name", "must not be of another host (A00.FR.511)", lambda p: p.alt_name in {"", "unit_domain"}),
    ),
    "ocpp-csms": (
        *LEAF,
        Rule("extended_key_usage", "must be server_auth", lambda p: p.extended_key_usage == ("server_auth",)),
        Rule("subject", "must be O and CN, the host's name (A00.FR.510)", lambda p: {"O", "CN"} <= set(p.subject)),
    ),
    "iso15118-2": (
        *SECC,
        Rule("key", "must be p256", lambda p: p.key == "p256"),
        Rule("domain_component", "must be CPO (V2G2-925)", lambda p: p.domain_component == "CPO"),
    ),
    "iso15118-20": (
        *SECC,
        Rule("key", "must be p521 (V2G20-2674) or ed448 (V2G20-2319)", lambda p: p.key in {"p521", "ed448"}),
        Rule("subject_key_identifier", "must be present", lambda p: p.subject_key_identifier),
    ),
    "iso15118-ca": (
        Rule("ca", "must be true", lambda p: p.ca),
        Rule(
            "key_usage",
            "must be key_cert_sign and crl_sign",
            lambda p: set(p.key_usage) == {"key_cert_sign", "crl_sign"},
        ),
        Rule("path_length", "must be at most 1: two levels of sub-CAs", lambda p: p.path_length <= 1),
        Rule("domain_component", "must be V2G or CPO", lambda p: p.domain_component in {"V2G", "CPO"}),
    ),
    "ieee802.1ar": (
        *LEAF,
        Rule("subject", "must hold serialNumber", lambda p: "serialNumber" in p.subject),
        Rule(
            "never_expires", "must be true, and so is outlives_issuer", lambda p: p.never_expires and p.outlives_issuer
        ),
        Rule("subject_key_identifier", "must be false", lambda p: not p.subject_key_identifier),
        Rule("basic_constraints", "must be false", lambda p: not p.basic_constraints),
        Rule("extended_key_usage", "must not be present", lambda p: not p.extended_key_usage),
        Rule("alt_name", "must hold hardware_module or nothing", lambda p: p.alt_name in {"", "hardware_module"}),
    ),
    "code-signing": (
        *LEAF,
        Rule("extended_key_usage", "must be code_signing", lambda p: p.extended_key_usage == ("code_signing",)),
    ),
    "ocsp-responder": (
        *LEAF,
        Rule(
            "extended_key_usage",
            "must be ocsp_signing (RFC 6960 section 4.2.2.2)",
            lambda p: p.extended_key_usage == ("ocsp_signing",),
        ),
        Rule("ocsp", "must be never: nobody asks a responder about itself", lambda p: p.ocsp == "never"),
        Rule("days", "must be at most 92, because it can't be revoked", lambda p: 0 < p.days <= MAX_SECC_DAYS),
    ),
}
WORDS: dict[str, tuple[str, ...]] = {
    "subject": ("C", "DC", "O", "OU", "CN", "serialNumber"),
    "key_usage": KEY_USAGES,
    "follows": tuple(BOOKS),
    "key": tuple(Algorithm),
    "extended_key_usage": ("server_auth", "client_auth", "code_signing", "ocsp_signing"),
    "alt_name": ("", "host_names", "common_name", "unit_domain", "hardware_module"),
    "crl": WHERE,
    "ocsp": WHERE,
}
"""The words that a key of a profile knows."""


def check_profile(profile: Profile, where: str = "") -> None:
    """Refuse a profile with an unknown word, or that breaks RFC 5280 or a rulebook that it cites.

    Raises:
        ProfileError: The message names the file or profile, the key, and the clause or the nearest valid word.
    """
    problem = next(_problems(profile), "")
    if problem:
        raise ProfileError(f"{where or f'profile {profile}'}: {problem}")


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return how a message goes on after an unknown word."""
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(name for name in known if name)}"


def _problems(profile: Profile) -> Iterator[str]:
    for key, known in WORDS.items():
        value = getattr(profile, key)
        for word in (value,) if isinstance(value, str) else value:
            if word not in known:
                yield f"{key}: unknown: {word}{nearest(word, known)}"
    try:
        re.compile(profile.common_name)
    except re.error as error:
        yield f"common_name: no regular expression: {error}"
    books = {"rfc5280": RFC5280} | {name: BOOKS[name] for name in profile.follows}
    for name, book in books.items():
        yield from (f"{rule.key}: {rule.sentence} ({name})" for rule in book if not rule.holds(profile))

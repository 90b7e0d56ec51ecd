"""A unit as a CPMS team imports it: read from its signed passport and from nothing else.

`described` gives the JSON of `units.json`, `flat` and `outlets` the same facts by the names that tables and column
profiles use. What the factory can't know is empty: the site's group, tariffs, the operator's account (F-G4).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from station.cpms.payload import common_name

Facts = dict[str, Any]
"""Facts by their names: text, numbers, or True and False."""

UNASSIGNED = ("site_group", "tariff", "operator_account")
NUMBERS = ("iccid", "imsi", "imei", "eid", "mac")
"""Numbers of modules that tables have a column for; all of them are in `units.json`."""
KILO = 1000


def described(passport: Mapping[str, Any], revision: int, sha256: str) -> Facts:
    """Return a unit as `units.json` has it; `sha256` is the passport's."""
    unit, certificate, production = passport["unit"], passport["certificate"], passport["production"]
    configuration = passport["configuration"]
    return {
        "serial": unit["serial"],
        "revision": revision,
        "ocpp_identity": unit["ocpp_identity"],
        **{name: unit[name] for name in ("vendor", "model", "product", "hardware")},
        **({"gtin": unit["gtin"]} if "gtin" in unit else {}),
        "firmware": {key: passport["firmware"][key] for key in ("version", "sha256")},
        **{name: configuration[name] for name in ("ocpp_version", "security_profile", "endpoint")},
        "connectors": [dict(outlet) for outlet in passport["connectors"]],
        "certificate": _certificate(certificate),
        "meters": [dict(meter) for meter in passport.get("meters", ())],
        "identifiers": [dict(number) for number in passport.get("identifiers", ())],
        "work_order": production["work_order"],
        "customer": production["customer"],
        "released_at": production["released_at"],
        "passport_sha256": sha256,
        **dict.fromkeys(UNASSIGNED, ""),
    }


def _certificate(certificate: Mapping[str, Any]) -> Facts:
    names = ("serial", "sha256", "subject", "issuer", "not_after")
    renewal = {"renewal": dict(certificate["renewal"])} if "renewal" in certificate else {}
    told = {name: certificate[name] for name in names}
    return {**told, "common_name": common_name(certificate["subject"]), **renewal}


def flat(unit: Facts, claim_code_hash: str = "") -> Facts:
    """Return the facts of a unit by the names that tables and profiles use."""
    certificate, numbers = unit["certificate"], {each["kind"]: each["value"] for each in unit["identifiers"]}
    renewal = certificate.get("renewal", {})
    plain = ("serial", "revision", "ocpp_identity", "vendor", "model", "product", "hardware", "ocpp_version",
             "security_profile", "endpoint", "work_order", "customer", "released_at", "passport_sha256")  # fmt: skip
    return {
        **{name: unit[name] for name in plain},
        "gtin": unit.get("gtin", ""),
        "firmware": unit["firmware"]["version"],
        "firmware_sha256": unit["firmware"]["sha256"],
        "connectors": len(unit["connectors"]),
        "max_power_kw": max(outlet["max_power_w"] for outlet in unit["connectors"]) / KILO,
        "certificate_serial": certificate["serial"],
        "certificate_sha256": certificate["sha256"],
        "certificate_common_name": certificate["common_name"],
        "certificate_not_after": certificate["not_after"],
        **{f"renewal_{name}": renewal.get(name, "") for name in ("owner", "method", "lead_days")},
        **{name: numbers.get(name, "") for name in NUMBERS},
        "claim_code_hash": claim_code_hash,
        **dict.fromkeys(UNASSIGNED, ""),
    }


def outlets(unit: Facts, facts: Facts) -> Iterator[Facts]:
    """Yield the facts of each outlet, with those of the unit; its EVSE ID is the operator's to choose."""
    meters = {meter["evse"]: meter for meter in unit["meters"]}
    for outlet in unit["connectors"]:
        meter = meters.get(outlet["evse"], {})
        yield facts | {
            **{name: outlet[name] for name in ("evse", "connector", "letter", "type", "phases", "max_current_a")},
            "outlet_max_power_kw": outlet["max_power_w"] / KILO,
            "power_type": "DC" if outlet["phases"] == 0 else f"AC_{outlet['phases']}_PHASE",
            "rotation": outlet["rotation"],
            "evse_id": "",
            "meter_type": meter.get("type", ""),
            "meter_serial": meter.get("serial", ""),
            "meter_approval": meter.get("approval", ""),
            "meter_public_key": meter.get("public_key", ""),
            "meter_key_printed": bool(meter.get("key_printed", False)),
        }

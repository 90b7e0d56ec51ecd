"""The hardware bill of materials of a unit as CycloneDX 1.6, by cyclonedx-python-lib, which only this module knows.

Parts are devices with a serial or lot number in the properties that CycloneDX has for them; firmware points to its own
bill of materials; certificate and roots are cryptographic assets.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.crypto import CertificateProperties, CryptoAssetType, CryptoProperties
from cyclonedx.output.json import JsonV1Dot6

from station.records.export_units import TracedUnit

SERIAL, LOT = "cdx:device:serialNumber", "cdx:device:lotNumber"
"""CycloneDX property taxonomy."""
OURS = "charger-station"


def hardware_of(unit: TracedUnit) -> bytes:
    """Return the bill of materials of a released unit, as one line; the same passport gives the same bytes."""
    passport = json.loads(unit.passport)
    root = _unit(passport)
    bom = Bom(
        components=[*_parts(passport), *_meters(passport), _firmware(passport), *_certificates(passport)],
        serial_number=uuid5(NAMESPACE_URL, f"urn:charger-station:hbom:{unit.passport_sha256}"),
        metadata=BomMetaData(component=root, timestamp=datetime.fromisoformat(passport["production"]["released_at"])),
    )
    bom.register_dependency(root, bom.components)
    written = JsonV1Dot6(bom).output_as_string()
    return json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _unit(passport: Mapping[str, Any]) -> Component:
    unit, production = passport["unit"], passport["production"]
    told = {"passport.station": production["station"], "passport.run": production["run"]}
    told |= {"order": production["work_order"], "hardware_uid": unit["hardware_uid"], "product": unit["product"]}
    told |= {f"identifier.{each['kind']}": each["value"] for each in passport.get("identifiers", ())}
    told |= {f"seal.{each['place']}": each["id"] for each in passport.get("seals", ())}
    return Component(
        type=ComponentType.DEVICE,
        name=unit["model"],
        version=unit["hardware"] or None,
        bom_ref=_ref("unit", unit["serial"]),
        manufacturer=OrganizationalEntity(name=unit["vendor"]),
        properties=[Property(name=SERIAL, value=unit["serial"]), *_told(told)],
    )


def _parts(passport: Mapping[str, Any]) -> Iterator[Component]:
    for part in passport.get("components", ()):
        number = {SERIAL: part.get("serial", ""), LOT: part.get("lot", "")}
        known = [Property(name=name, value=value) for name, value in number.items() if value]
        where = {name: part[name] for name in ("position", "outlet", "revision") if part.get(name)}
        supplier = OrganizationalEntity(name=part["supplier"]) if part.get("supplier") else None
        ref = _ref("part", part["type"], part.get("position", ""), *number.values())
        yield Component(
            type=ComponentType.DEVICE,
            name=part["type"],
            bom_ref=ref,
            supplier=supplier,
            properties=[*known, *_told(where)],
        )


def _meters(passport: Mapping[str, Any]) -> Iterator[Component]:
    for meter in passport.get("meters", ()):
        told = {name: meter[name] for name in ("outlet", "approval", "public_key") if meter.get(name)}
        yield Component(
            type=ComponentType.DEVICE,
            name=f"meter {meter['type']}",
            bom_ref=_ref("meter", str(meter["evse"]), meter["serial"]),
            properties=[Property(name=SERIAL, value=meter["serial"]), *_told(told)],
        )


def _firmware(passport: Mapping[str, Any]) -> Component:
    firmware = passport["firmware"]
    bills = [_bill(bill) for bill in passport.get("sboms", ())]
    return Component(
        type=ComponentType.FIRMWARE,
        name=firmware.get("name") or f"{passport['unit']['product']} firmware",
        version=firmware["version"],
        bom_ref=_ref("firmware", firmware["sha256"]),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=firmware["sha256"])],
        external_references=bills,
    )


def _bill(bill: Mapping[str, Any]) -> ExternalReference:
    """Point to a software bill of materials, by BOM-Link."""
    serial = str(bill["uri"]).removeprefix("urn:uuid:")
    link = f"urn:cdx:{UUID(serial)}/1" if bill["uri"].startswith("urn:uuid:") else bill["uri"]
    digest = [HashType(alg=HashAlgorithm.SHA_256, content=bill["sha256"])]
    return ExternalReference(type=ExternalReferenceType.BOM, url=XsUri(link), comment=bill["image"], hashes=digest)


def _certificates(passport: Mapping[str, Any]) -> Iterator[Component]:
    """Yield the unit's certificate and the roots that it trusts."""
    own = passport["certificate"]
    yield _certificate("ship certificate", own, {"serial": own["serial"]}, own["issuer"])
    for anchor in passport.get("trust_anchors", ()):
        yield _certificate("trust anchor", anchor, {})


def _certificate(name: str, told: Mapping[str, Any], more: Mapping[str, str], issuer: str | None = None) -> Component:
    facts = CertificateProperties(
        subject_name=told["subject"],
        issuer_name=issuer,
        not_valid_after=datetime.fromisoformat(told["not_after"]),
        certificate_format="X.509",
    )
    return Component(
        type=ComponentType.CRYPTOGRAPHIC_ASSET,
        name=name,
        bom_ref=_ref("certificate", told["sha256"]),
        crypto_properties=CryptoProperties(asset_type=CryptoAssetType.CERTIFICATE, certificate_properties=facts),
        properties=_told({"sha256": told["sha256"], **more}),
    )


def _told(facts: Mapping[str, str]) -> list[Property]:
    return [Property(name=f"{OURS}:{name}", value=value) for name, value in facts.items()]


def _ref(*parts: str) -> str:
    return "-".join(quote(part, safe="") for part in parts)

"""The digital nameplate of a unit: the passport's identity as IDTA 02006-3-0 has it, in an AASX package (F-I5).

An Asset Administration Shell is what other makers' software reads. Everything of the unit comes from its signed
passport, whose digest the nameplate names; what the maker says of itself comes from the product's data. The same
passport gives the same bytes. A nameplate is not signed: who must rely on it verifies the passport.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from basyx.aas import model
from basyx.aas.adapter.aasx import AASXWriter, DictSupplementaryFileContainer
from pyecma376_2.core_properties import OPCCoreProperties

from station.documents.nameplate_maker import Maker
from station.documents.passport import read_passport
from station.documents.passport_code import LONGEST_SERIAL, code_of
from station.errors import StationError

TEMPLATE = "https://admin-shell.io/idta/nameplate/3/0/"
TEMPLATE_ID = "https://admin-shell.io/idta/SubmodelTemplate/DigitalNameplate/3/0"
ADDRESS = "https://admin-shell.io/zvei/nameplate/1/0/ContactInformations/"
ARBITRARY = "https://admin-shell.io/SMT/General/ArbitraryProp"
LINES = {
    "Street": "0173-1#02-AAO128#002",
    "Zipcode": "0173-1#02-AAO129#002",
    "CityTown": "0173-1#02-AAO132#002",
    "NationalCode": "0173-1#02-AAO134#002",
}
"""Lines of an address with their meaning in ECLASS."""
MEANINGS = {
    "URIOfTheProduct": "0112/2///61987#ABN590#002",
    "ManufacturerName": "0112/2///61987#ABA565#009",
    "ManufacturerProductDesignation": "0112/2///61987#ABA567#009",
    "ManufacturerProductFamily": "0112/2///61987#ABP464#002",
    "ManufacturerProductType": "0112/2///61987#ABA300#008",
    "OrderCodeOfManufacturer": "0112/2///61987#ABA950#008",
    "SerialNumber": "0112/2///61987#ABA951#009",
    "YearOfConstruction": "0112/2///61987#ABP000#002",
    "DateOfManufacture": "0112/2///61987#ABB757#007",
    "HardwareVersion": "0112/2///61987#ABA926#008",
    "FirmwareVersion": "0112/2///61987#ABA302#006",
    "CountryOfOrigin": "0112/2///61987#ABP462#001",
    "UniqueFacilityIdentifier": f"{TEMPLATE}UniqueFacilityIdentifier",
    "CompanyLogo": "0112/2///61987#ABP463#001",
    "MarkingName": "0112/2///61987#ABA231#009",
    "DesignationOfCertificateOrApproval": "0112/2///61987#ABH783#003",
    "ExpiryDate": "0112/2///61987#ABH830#002",
    "MarkingFile": "0112/2///61987#ABO100#002",
}
"""What each element means, in IEC's dictionary (IEC 61987 CDD)."""
MARKINGS, MARKING = "0112/2///61360_7#AAS006#001", "0112/2///61360_7#AAS009#001"
OWN = "0173-1#02-ABI218#003/0173-1#01-AGZ672#004"
PNG = "image/png"

Elements = Iterable[model.SubmodelElement]


def render_nameplate(
    passport_json: bytes, maker: Maker, pictures: Mapping[str, bytes], resolver: str, logo: bytes = b""
) -> bytes:
    """Return a unit's digital nameplate as AASX.

    Args:
        passport_json: The signed passport.
        maker: What all units of the product share.
        pictures: PNG of each marking that has one, by its name.
        resolver: Where GS1 Digital Links lead.
        logo: The maker's, PNG; empty for none.

    Raises:
        StationError: The JSON is no passport, has no GTIN, or a text that no nameplate can hold.
    """
    passport = read_passport(passport_json)
    unit = passport["unit"]
    if "gtin" not in unit or len(unit["serial"]) > LONGEST_SERIAL:
        raise StationError(
            f"nameplate of {unit['serial']}: it needs a GTIN, and a serial number of at most {LONGEST_SERIAL} "
            "characters, to have an address of its own",
            hint="Give the product its GTIN.",
        )
    link = code_of(passport, passport_json, resolver)
    try:
        return _packed(_Nameplate(passport, maker, link), pictures, logo, sha256(passport_json).hexdigest())
    except (ValueError, model.AASConstraintViolation) as error:
        raise StationError(f"nameplate of {unit['serial']}: {error}", hint="Correct the product's data.") from error


class _Nameplate:
    """Puts the elements of one nameplate together."""

    def __init__(self, passport: dict[str, Any], maker: Maker, link: str) -> None:
        self.passport, self.maker, self.link = passport, maker, link
        self.at = datetime.fromisoformat(passport["production"]["released_at"])

    def plain(self) -> Iterator[model.SubmodelElement]:
        """Yield what is one value each."""
        unit, maker = self.passport["unit"], self.maker
        yield _property("URIOfTheProduct", model.datatypes.AnyURI(self.link), model.datatypes.AnyURI)
        yield self._text("ManufacturerName", unit["vendor"])
        yield self._text("ManufacturerProductDesignation", maker.designation)
        yield self._address()
        if maker.family:
            yield self._text("ManufacturerProductFamily", maker.family)
        yield _property("ManufacturerProductType", unit["model"])
        yield _property("OrderCodeOfManufacturer", maker.order_code or unit["model"])
        yield _property("SerialNumber", unit["serial"])
        yield _property("YearOfConstruction", str(self.at.year))
        yield _property("DateOfManufacture", _day(self.at.date().isoformat()), model.datatypes.Date)
        yield _property("HardwareVersion", unit["hardware"])
        yield _property("FirmwareVersion", self.passport["firmware"]["version"])
        if maker.country_of_origin:
            yield _property("CountryOfOrigin", maker.country_of_origin)
        if maker.facility:
            yield _property("UniqueFacilityIdentifier", maker.facility)

    def markings(self, files: Mapping[str, str]) -> Iterator[model.SubmodelElement]:
        """Yield the markings that have a picture, each with the paper that stands behind it."""
        for paper in self.passport.get("papers", ()):
            if paper.get("marking") in files:
                parts = [
                    _property("MarkingName", paper["marking"]),
                    _property("DesignationOfCertificateOrApproval", paper["number"]),
                ]
                if "valid_until" in paper:
                    parts.append(_property("ExpiryDate", _day(paper["valid_until"]), model.datatypes.Date))
                parts.append(_file("MarkingFile", files[paper["marking"]]))
                yield model.SubmodelElementCollection(None, parts, semantic_id=_meaning(MARKING))

    def own(self, digest: str) -> model.SubmodelElement:
        """Return what no template names: the passport's digest and how the unit calls itself."""
        identity = self.passport["unit"]["ocpp_identity"]
        parts = [
            model.Property(name, str, value, semantic_id=_meaning(ARBITRARY))
            for name, value in (("PassportSha256", digest), ("OcppIdentity", identity))
        ]
        return model.SubmodelElementCollection("AssetSpecificProperties", parts, semantic_id=_meaning(OWN))

    def _address(self) -> model.SubmodelElement:
        address = self.maker.address
        told = (address.street, address.zipcode, address.city, address.country)
        lines = [self._text(name, text, LINES[name]) for name, text in zip(LINES, told, strict=True)]
        meaning = _meaning(f"{ADDRESS}AddressInformation")
        return model.SubmodelElementCollection("AddressInformation", lines + self._reached(), semantic_id=meaning)

    def _reached(self) -> list[model.SubmodelElement]:
        """Return how else the maker is reached."""
        address, found = self.maker.address, list[model.SubmodelElement]()
        if address.phone:
            number = self._text("TelephoneNumber", address.phone, "0173-1#02-AAO136#002")
            meaning = _meaning(f"{ADDRESS}ContactInformation/Phone")
            found.append(model.SubmodelElementCollection("Phone", [number], semantic_id=meaning))
        if address.email:
            mail = model.Property("EmailAddress", str, address.email, semantic_id=_meaning("0173-1#02-AAO198#002"))
            meaning = _meaning("0173-1#02-AAQ836#005")
            found.append(model.SubmodelElementCollection("Email", [mail], semantic_id=meaning))
        if address.website:
            meaning = _meaning("0173-1#02-AAQ326#002")
            found.append(model.Property("AddressOfAdditionalLink", str, address.website, semantic_id=meaning))
        return found

    def _text(self, name: str, text: str, meaning: str = "") -> model.SubmodelElement:
        value = model.MultiLanguageTextType({self.maker.language: text})
        return model.MultiLanguageProperty(name, value, semantic_id=_meaning(meaning or MEANINGS[name]))


def _packed(plate: _Nameplate, pictures: Mapping[str, bytes], logo: bytes, digest: str) -> bytes:
    """Return the package: shell, submodel and the files that they name."""
    files = DictSupplementaryFileContainer()
    named = {marking: _added(files, f"marking-{n}.png", pictures[marking]) for n, marking in enumerate(pictures, 1)}
    elements = list(plate.plain())
    if logo:
        elements.append(_file("CompanyLogo", _added(files, "logo.png", logo)))
    markings = list(plate.markings(named))
    if markings:
        kind = model.SubmodelElementCollection
        elements.append(model.SubmodelElementList("Markings", kind, markings, semantic_id=_meaning(MARKINGS)))
    elements.append(plate.own(digest))
    store, shell = _shell(plate, elements)
    written = BytesIO()
    with AASXWriter(written, failsafe=False) as writer:
        writer.write_aas(shell, store, files, write_json=True)  # its XML is of metamodel 3.1, which few readers know
        writer.write_core_properties(_about(plate))
    return _dated(written.getvalue(), plate.at)


def _shell(plate: _Nameplate, elements: Elements) -> tuple[model.DictIdentifiableStore[Any], str]:
    """Return the objects of the package, and the shell's id; ids come from the unit's address, so they stay."""
    version = model.AdministrativeInformation(version="3", revision="0", template_id=TEMPLATE_ID)
    nameplate = model.Submodel(
        _id(plate.link, "nameplate"), elements, "Nameplate", administration=version,
        semantic_id=_meaning(f"{TEMPLATE}Nameplate"),
    )  # fmt: skip
    asset = model.AssetInformation(model.AssetKind.INSTANCE, plate.link)
    reference = model.ModelReference.from_referable(nameplate)
    shell = model.AssetAdministrationShell(asset, _id(plate.link, "shell"), "Charger", submodel={reference})
    return model.DictIdentifiableStore([shell, nameplate]), shell.id


def _id(link: str, what: str) -> str:
    return uuid5(NAMESPACE_URL, f"{link}#{what}").urn


def _property(name: str, value: Any, kind: Any = str) -> model.SubmodelElement:
    return model.Property(name, kind, value, semantic_id=_meaning(MEANINGS[name]))


def _file(name: str, path: str) -> model.SubmodelElement:
    return model.File(name, PNG, path, semantic_id=_meaning(MEANINGS[name]))


def _added(files: DictSupplementaryFileContainer, name: str, content: bytes) -> str:
    return files.add_file(f"/aasx/files/{name}", BytesIO(content), PNG)


def _day(iso: str) -> model.datatypes.Date:
    day = datetime.fromisoformat(iso).date()
    return model.datatypes.Date(day.year, day.month, day.day)


def _meaning(value: str) -> model.ExternalReference:
    return model.ExternalReference((model.Key(model.KeyTypes.GLOBAL_REFERENCE, value),))


def _about(plate: _Nameplate) -> OPCCoreProperties:
    about = OPCCoreProperties()
    about.created = plate.at
    about.creator = plate.passport["unit"]["vendor"]
    about.title = f"Digital nameplate {plate.passport['unit']['serial']}"
    return about


def _dated(package: bytes, at: datetime) -> bytes:
    """Return the package with the release's time on every part instead of the time of writing."""
    written, stamp = BytesIO(), (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second)
    with zipfile.ZipFile(BytesIO(package)) as made, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as dated:
        for name in made.namelist():
            part = zipfile.ZipInfo(name, stamp)
            part.compress_type = zipfile.ZIP_DEFLATED
            dated.writestr(part, made.read(name))
    return written.getvalue()

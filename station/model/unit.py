"""A unit as it leaves: on whose word, with which parts, numbers, roots and results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from station.model.device import Connector


@dataclass(frozen=True)
class Override:
    """An emergency approval: two people of two roles let a bundle build for a short time that is not approved."""

    reason: str
    until: str
    line: str
    """Who signed for the line."""
    quality: str
    """Who signed for quality."""


@dataclass(frozen=True)
class Approval:
    """On whose word a unit is built; empty where there is none."""

    bundle: str = ""
    """Name and revision of the release bundle."""
    digest: str = ""
    author: str = ""
    approvers: tuple[str, ...] = ()
    expires: str = ""
    """When the word ends: the bundle's expiry, or the override's."""
    override: Override | None = None
    development: bool = False
    """Whether it is a draft of a development factory: nothing that may leave for a customer."""


@dataclass(frozen=True)
class TrustAnchor:
    """A root that a unit trusts."""

    subject: str
    sha256: str
    not_after: str
    """ISO 8601."""


@dataclass(frozen=True)
class SoftwareBill:
    """The software bill of materials of one member of a firmware release."""

    image: str
    """Role and version of the member, such as `application 1.4.0`."""
    uri: str
    """Its serial number (`urn:uuid:…`), by which CycloneDX documents refer to it."""
    sha256: str


@dataclass(frozen=True)
class FirmwareMember:
    """One member of the firmware that the unit leaves with."""

    role: str
    version: str
    sha256: str = ""
    """Of its image; empty for a member that the device only tells of."""
    security_counter: int | None = None


@dataclass(frozen=True)
class Paper:
    """A document that stands behind the unit, by its digest."""

    kind: str
    number: str
    sha256: str
    marking: str = ""
    """Marking on the rating plate that it stands behind."""
    valid_until: str = ""
    """ISO 8601 day."""


@dataclass(frozen=True)
class ReadBack:
    """What the device showed of itself."""

    name: str
    value: str
    """As text: `true`, `3`, or what it said."""


@dataclass(frozen=True)
class ClauseEvidence:
    """Which check speaks for which clause of a regulation, and how it ended."""

    clause: str
    check: str
    result: str


@dataclass(frozen=True)
class EarlierRun:
    """A run of the unit before the one that released it."""

    run: str
    outcome: str
    ended_at: str = ""
    fault: str = ""
    """The defect or the service that ended it."""


@dataclass(frozen=True)
class LifeEvent:
    """What happened to a unit after its release."""

    event: str
    """`shipped`, `commissioned`, ..., by the words of the records."""
    occurred_at: str
    """ISO 8601."""
    recorded_at: str
    """ISO 8601."""
    recorded_by: str
    place: str = ""
    party: str = ""
    """The consignee, the new owner or the new operator."""
    reference: str = ""
    reason: str = ""


class RenewalOwner(StrEnum):
    """Who may have the duty to renew certificates in the field."""

    OPERATOR = "operator"
    MANUFACTURER = "manufacturer"


class RenewalMethod(StrEnum):
    """By which way: OCPP's SignCertificate, or EST (RFC 7030)."""

    OCPP = "ocpp"
    EST = "est"


@dataclass(frozen=True)
class RenewalDuty:
    """Whose duty it is to renew a unit's certificate once it has left (F-M6)."""

    owner: RenewalOwner
    method: RenewalMethod
    lead_days: int
    """How many days before its end, 1 to 365."""

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        if not 1 <= self.lead_days <= 365:
            raise ValueError(f"lead_days: {self.lead_days} is not between 1 and 365")


@dataclass(frozen=True)
class BoundNumber:
    """A number that a module of the unit bears, such as an ICCID."""

    kind: str
    value: str
    """As it is printed and sent."""


@dataclass(frozen=True)
class InstalledPart:
    """A part of the unit, known by its serial number or by the lot it was made in."""

    type: str
    position: str
    serial: str = ""
    lot: str = ""
    outlet: str = ""
    """Letter of the outlet it belongs to; empty for the whole unit."""


@dataclass(frozen=True)
class InstalledMeter:
    """The meter of an outlet."""

    outlet: str
    """Letter of the outlet."""
    evse: int
    type: str
    serial: str
    approval: str = ""
    """Marking of the Measuring Instruments Directive: year and notified body."""
    public_key: str = ""
    """SubjectPublicKeyInfo in hexadecimal, proven by a signed reading."""
    key_printed: bool = False
    """Whether the key was compared with the one that is printed on the meter."""


@dataclass(frozen=True)
class InstalledSeal:
    """A numbered seal."""

    id: str
    place: str


@dataclass(frozen=True)
class ImportedResult:
    """A result of test equipment that counts for the unit."""

    test: str
    unit: str
    """UCUM code."""
    verdict: str
    taken_at: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    instrument: str = ""
    """Serial number of the instrument."""
    calibration_due: str = ""
    source: str = ""
    """SHA-256 of the file that told it."""


@dataclass(frozen=True)
class UnitRecord:
    """Everything about a unit that leaves the factory in documents, labels and the CPMS: one object renders all."""

    serial: str
    ocpp_identity: str
    vendor: str
    model: str
    product: str
    product_revision: int
    work_order: str
    customer: str
    hardware_uid: str
    hardware: str
    firmware: str
    firmware_sha256: str
    ocpp_version: str
    security_profile: int
    endpoint: str
    """Ship endpoint, without the identity."""
    connectors: tuple[Connector, ...]
    certificate_serial: str
    """Ship certificate serial number, upper-case hexadecimal."""
    certificate_sha256: str
    certificate_subject: str
    certificate_issuer: str
    certificate_not_after: str
    key_origin: str
    recipe: str
    recipe_digest: str
    configuration_sha256: str
    station: str
    run: str
    released_at: str
    ratings: Mapping[str, str] = field(default_factory=dict)
    """What the rating plate says, in its order: `Voltage` -> `400 V 3~`."""
    not_shown_by_hardware: tuple[str, ...] = ()
    """What this hardware cannot prove, each as one sentence."""
    approval: Approval = Approval()
    """On whose word it was built."""
    trust_anchors: tuple[TrustAnchor, ...] = ()
    """Roots by which it knows its server, as they were read back."""
    sboms: tuple[SoftwareBill, ...] = ()
    renewal: RenewalDuty | None = None
    software: str = ""
    """Version of the station's software."""
    operator: str = ""
    """Who worked at the slot in the releasing run."""
    attempts: int = 0
    """Runs that it took, the releasing one among them (F-I7)."""
    identifiers: tuple[BoundNumber, ...] = ()
    components: tuple[InstalledPart, ...] = ()
    meters: tuple[InstalledMeter, ...] = ()
    seals: tuple[InstalledSeal, ...] = ()
    results: tuple[ImportedResult, ...] = ()
    """The latest of each test."""
    gtin: str = ""
    """Of the product, as its maker registered it."""
    support_until: str = ""
    """ISO 8601 day on which the support period ends."""
    firmware_name: str = ""
    """Name of the firmware release."""
    members: tuple[FirmwareMember, ...] = ()
    """Everything that the firmware is made of."""
    certificate_spki_sha256: str = ""
    """Of the ship key's SubjectPublicKeyInfo."""
    certificate_chain: tuple[TrustAnchor, ...] = ()
    """The CAs between the ship certificate and its root, as the unit presents them."""
    papers: tuple[Paper, ...] = ()
    security: tuple[ReadBack, ...] = ()
    """Its protection as it was read back; known at the release."""
    evidence: tuple[ClauseEvidence, ...] = ()
    """Known at the release, as what follows."""
    labels: tuple[str, ...] = ()
    """Labels that were scanned back, as template and copy."""
    earlier_runs: tuple[EarlierRun, ...] = ()
    lifecycle: tuple[LifeEvent, ...] = ()
    """What happened since its first release, the oldest first; empty for a unit that never left."""
    """Newest first."""
    sscc: str = ""
    """Serial Shipping Container Code of its carton, 18 digits; empty where it has no carton of its own."""

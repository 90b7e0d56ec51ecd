"""What an archive looks like: names, limits and versions, on which making and proving agree.

Names are ASCII, so that every tool writes them alike. Whatever is larger than the limits is refused before it is read.
"""

import re
from dataclasses import dataclass

SCHEMA = "charger-station/batch"
UNITS_SCHEMA = "charger-station/batch-units"
VERSION = 1
"""Rises when a reader of before would misread an archive; members and files may be added within a version."""

MANIFEST, SIGNATURE, SIGNER = "manifest.json", "manifest.sig", "records.pem"
SUMS, UNITS, README = "SHA256SUMS", "units.json", "README.txt"
UNITS_CSV, CONNECTORS_CSV, METERS_CSV, SIMS_CSV = "units.csv", "connectors.csv", "meters.csv", "sim.csv"
RENEWALS_CSV, CHECKLIST_CSV, STEPS_CSV = "renewals.csv", "commissioning/checklist.csv", "commissioning/steps.csv"
PACK = "commissioning/pack.{language}.pdf"
PROFILE = "cpms/{name}.csv"
ISSUERS, ROOTS = "chains/issuers.pem", "chains/roots.pem"
SCHEMAS = ("schema/batch-manifest-1.schema.json", "schema/batch-units-1.schema.json")

NAME = re.compile(r"(?=.{1,120}$)[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){0,3}")
"""What an entry may be called: no way up, no drive, no blank, nothing hidden."""
SERIAL = re.compile(r"[A-Z0-9][A-Z0-9-]{3,24}")
"""A serial that may be a folder's name."""

MOST_UNITS = 20_000
"""Units of one archive; a larger order is split by serial numbers."""
MOST_ENTRIES = 6 * MOST_UNITS + 100
MOST_ARCHIVE, MOST_MANIFEST, MOST_DIRECTORY = 8 * 2**30, 32 * 2**20, 32 * 2**20
"""Bytes of an archive, of its manifest, and of its table of contents."""
MOST_PASSPORT, MOST_SIGNATURE, MOST_CERTIFICATES, MOST_PDF = 2**20, 256, 64 * 2**10, 20 * 2**20
MOST_TABLE = 2**30
"""Bytes of one of the tables."""


@dataclass(frozen=True)
class UnitFiles:
    """The names of one unit's files."""

    serial: str

    @property
    def passport(self) -> str:
        """Return the signed passport."""
        return f"units/{self.serial}/passport.json"

    @property
    def signature(self) -> str:
        """Return the passport's signature."""
        return f"units/{self.serial}/passport.json.sig"

    @property
    def certificate(self) -> str:
        """Return the ship certificate with the CAs above it."""
        return f"units/{self.serial}/certificate.pem"

    @property
    def rendering(self) -> str:
        """Return the passport as PDF, where it is drawn."""
        return f"units/{self.serial}/passport.pdf"

    @property
    def secrets(self) -> str:
        """Return what is sealed for the CPMS, where there is something."""
        return f"secrets/{self.serial}.cms"

"""Exports for QA and auditors: tables and documents that are complete, signed and safe to open anywhere."""

from station.records import ExportFilter, ExportSet
from station.trace.export.documents import DOCUMENTS, make_documents
from station.trace.export.envelope import Signer
from station.trace.export.formats import FORMATS
from station.trace.export.making import Made, Wanted, make_export
from station.trace.export.position import Kept
from station.trace.export.proving import ExportProof, prove_export

__all__ = [
    "DOCUMENTS",
    "FORMATS",
    "ExportFilter",
    "ExportProof",
    "ExportSet",
    "Kept",
    "Made",
    "Signer",
    "Wanted",
    "make_documents",
    "make_export",
    "prove_export",
]

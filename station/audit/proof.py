"""The proof that a unit's passport stands in the log, to be given away with it."""

from station.records import Records


def proof(records: Records, serial: str) -> bytes | None:
    """Return the proof of a unit's latest passport (c2sp.org/tlog-proof), verified by `pki.log.prove_document`.

    None where the unit has no passport, or while no checkpoint covers it: the next one is signed at its release.
    """
    passport = records.passport(serial)
    return None if passport is None else records.document_proof(passport.sha256)

"""A log that needs no trust in whoever keeps it: RFC 6962 tree, C2SP tiles, signed checkpoints, inclusion proofs.

Nothing here knows what an entry says, nor where entries are stored. Ref: RFC 6962 section 2.1; c2sp.org/tlog-tiles,
c2sp.org/tlog-checkpoint, c2sp.org/signed-note and c2sp.org/tlog-proof (version 1).
"""

from pki.log.note import Checkpoint, open_note, sign_checkpoint, verifier_key
from pki.log.proof import Included, Inclusion, prove, prove_document, read_proof
from pki.log.tiles import TILE, bundle, bundle_name, tile_name, widths
from pki.log.tree import EMPTY, HASH_BYTES, Range, fold, inclusion, leaf_hash, node_hash, peaks_of, root_of

__all__ = [
    "EMPTY",
    "HASH_BYTES",
    "TILE",
    "Checkpoint",
    "Included",
    "Inclusion",
    "Range",
    "bundle",
    "bundle_name",
    "fold",
    "inclusion",
    "leaf_hash",
    "node_hash",
    "open_note",
    "peaks_of",
    "prove",
    "prove_document",
    "read_proof",
    "root_of",
    "sign_checkpoint",
    "tile_name",
    "verifier_key",
    "widths",
]

"""Batches: one signed archive of an order's released units, made from what was stored, and proven offline.

`make_batch` writes it, `prove_batch` judges it with nothing but the factory's record certificate.
"""

from station.batches.keys import Keys, keys_of
from station.batches.making import MadeBatch, Wanted, make_batch
from station.batches.profiles import load_profiles
from station.batches.proving import BatchProof, prove_batch

__all__ = ["BatchProof", "Keys", "MadeBatch", "Wanted", "keys_of", "load_profiles", "make_batch", "prove_batch"]

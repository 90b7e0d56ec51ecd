"""The audit log as outsiders see it: checkpoints signed in the HSM, tiles, proofs, and the check of all of it."""

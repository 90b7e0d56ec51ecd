"""The factory's PKI: keys that stay in an HSM, certificates by profile, and a ledger of every key and certificate.

It imports nothing of the station, so that the issuer can run in a process, or on a machine, of its own.
"""

"""How an archive is laid out, and what it says of itself."""

PREDICATE = "urn:charger-station:archive:1"
SCHEMA, VERSION = "charger-station/archive", 1
ROWS, PASSPORTS, CHECKPOINT = "rows", "passports", "checkpoint.txt"
ABOUT = """Everything of one work order, as the station's records had it when the order was archived.

rows/TABLE.jsonl            the rows of a table, one JSON object a line; {"base64": ...} stands for bytes
passports/UNIT-N.json       what was said of a unit when it was released, N-th revision
passports/UNIT-N.json.sig   the record key's signature over exactly these bytes (ECDSA P-256 with SHA-256, DER)
passports/UNIT-N.json.log   the proof that the audit log has it (c2sp.org/tlog-proof@v1)
checkpoint.txt              the newest checkpoint of the audit log then
certificates/               for comparison only: trust those that came another way

Without our software:

    openssl x509 -in records.pem -pubkey -noout > records.pub
    openssl dgst -sha256 -verify records.pub -signature UNIT-1.json.sig UNIT-1.json

The manifest beside this file, NAME.manifest.json, is a signed in-toto statement (DSSE) with this file's SHA-256.
"""

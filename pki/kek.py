"""Make the key of a small batch of devices: an officer's act, recorded before the key can leave."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from pki.cms import recipient_of
from pki.errors import RequestRefused
from pki.keystore import RsaTransport, WrappedKek, create_trusted_kek
from pki.ledger import open_ledger
from pki.plan import Layout, read_plan
from pki.roles import OFFICER, require
from pki.secret import secret
from pki.tokens import Tokens

OFFICER_PIN = "hsm-officer-pin"
"""Secret that is the PIN of the token's security officer."""


def make_kek(directory: Path, label: str, recipient: bytes, *, trusted: bool) -> WrappedKek | None:
    """Make a batch's key in the token of device keys; return it wrapped for an RSA key (PEM), if one is given.

    Raises:
        RequestRefused: The caller is no officer, or label or recipient are unfit.
        KeystoreError: The token is away, refuses, or has a key of this label.
    """
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    actor = require(plan, OFFICER)
    recipient_of("kek", label.encode())  # the label will be the key's identifier in every package
    transport = _transport(recipient) if recipient else None
    ledger = open_ledger(layout.ledger, actor)
    try:
        ledger.record("batch-key-ordered", label, trusted=trusted, leaves=transport is not None)
    finally:
        ledger.close()
    if trusted:
        pin = secret(OFFICER_PIN, directory, ask=f"PIN of the security officer of token '{plan.token.label}'")
        return create_trusted_kek(plan.token, directory, pin, label, transport)
    tokens = Tokens(plan, directory)
    try:
        return tokens.open(plan.keys.devices).create_kek(label, transport)
    finally:
        tokens.close()


def _transport(pem: bytes) -> RsaTransport:
    try:
        spki = load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestRefused("the recipient is no public key in PEM", hint="Use 'openssl pkey -pubout'.") from error
    found = recipient_of("rsa-oaep", spki)
    if not isinstance(found, RsaTransport):
        raise RequestRefused("the recipient is no RSA key")
    return found

"""Take apart what was sealed for a factory's own key, so that its token can open it; nothing is decrypted here.

Only the one form that `pki.cms.seal` writes is read: everything else is refused before the token hears of it.
"""

from asn1crypto import parser

from pki.cms.recipients import OAEP_ALGORITHMS, key_identifier
from pki.cms.seal import AUTH_ENVELOPED_DATA, MAX_SECRET_BYTES, SealingKey
from pki.errors import RequestRefused
from pki.keystore.sealing import SealedContent

MAX_MESSAGE_BYTES = MAX_SECRET_BYTES + 4096
_HINT = "Restore the ledger from its backup, or give the unit a new password with a reason."


def sealed_content(message: bytes, key: SealingKey) -> SealedContent:
    """Return what a message (CMS, DER) holds for a sealing key.

    Raises:
        RequestRefused: It is for another key, or of another form.
    """
    try:
        return _taken_apart(message, key)
    except (ValueError, IndexError, KeyError) as error:
        raise RequestRefused("a sealed secret is for another key or damaged", hint=_HINT) from error


def _taken_apart(message: bytes, key: SealingKey) -> SealedContent:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError("too long")
    kind, wrapped = _parts(message)
    (enveloped,) = _parts(wrapped)
    _, recipients, content, tag = _parts(enveloped)
    (recipient,) = _parts(recipients)
    _, name, algorithm, content_key = _parts(recipient)
    _, parameters, encrypted = _parts(content)
    nonce, _ = _parts(_parts(parameters)[1])
    if kind != AUTH_ENVELOPED_DATA or _content(name) != key_identifier(key.spki):
        raise ValueError("for another key")
    hashes = {encoded: oaep_hash for oaep_hash, encoded in OAEP_ALGORITHMS.items()}
    data = _content(encrypted) + _content(tag)
    return SealedContent(_content(content_key), hashes[algorithm], _content(nonce), data)


def _content(element: bytes) -> bytes:
    """Return what stands in one element, which is all that there is."""
    found: bytes = parser.parse(element, strict=True)[4]
    return found


def _parts(element: bytes) -> list[bytes]:
    """Return the elements that stand in a constructed one."""
    rest, found = _content(element), []
    while rest:
        size = parser.peek(rest)
        found.append(rest[:size])
        rest = rest[size:]
    return found

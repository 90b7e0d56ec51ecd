"""The key package: CMS put together from nothing but what the HSM wrapped.

Content: PKCS#8 under id-aes256-wrap-pad; one recipient. No clear key passes through here.

Ref: RFC 5652 sections 6 (EnvelopedData) and 8 (EncryptedData), RFC 5649 (key wrap with padding), RFC 6032 section 3.1
(naming the key of EncryptedData).
"""

from pki.cms.der import algorithm, integer, octets, oid, set_of, tagged, tagged_octets
from pki.cms.recipients import Name, key_agreement, key_encryption_key, key_transport
from pki.der import sequence
from pki.keystore.wrapped import BatchKek, EcTransport, RsaTransport, WrappedKey

_DATA = oid("1.2.840.113549.1.7.1")
_ENVELOPED_DATA = oid("1.2.840.113549.1.7.3")
_ENCRYPTED_DATA = oid("1.2.840.113549.1.7.6")
_AES256_WRAP_PAD = algorithm("2.16.840.1.101.3.4.1.48")
_CONTENT_DECRYPT_KEY_ID = oid("2.16.840.1.101.2.1.5.66")
_VERSION = integer(2)


def key_package(wrapped: WrappedKey) -> bytes:
    """Return the CMS ContentInfo (DER) that carries a wrapped key to its recipient."""
    content = sequence(_DATA, _AES256_WRAP_PAD, tagged_octets(0, wrapped.key))
    recipient = wrapped.recipient
    if isinstance(recipient, RsaTransport):
        info = key_transport(Name.of_key(recipient.spki), wrapped.oaep_hash, wrapped.content_key)
    elif isinstance(recipient, EcTransport):
        info = key_agreement(Name.of_key(recipient.spki), wrapped.ephemeral, wrapped.content_key)
    elif wrapped.content_key:
        info = key_encryption_key(recipient.label.encode(), wrapped.content_key)
    else:
        return _encrypted(recipient, content)
    return _message(_ENVELOPED_DATA, sequence(_VERSION, set_of(info), content))


def _encrypted(recipient: BatchKek, content: bytes) -> bytes:
    """Return EncryptedData: the device key is under the batch's key itself, so the HSM may insist on a trusted one."""
    named = sequence(_CONTENT_DECRYPT_KEY_ID, set_of(octets(recipient.label.encode())))
    return _message(_ENCRYPTED_DATA, sequence(_VERSION, content, tagged(1, named)))


def _message(kind: bytes, content: bytes) -> bytes:
    return sequence(kind, tagged(0, content))

"""The key package: CMS EnvelopedData put together from what the HSM wrapped.

Content: PKCS#8 under id-aes256-wrap-pad; one recipient by RSAES-OAEP, named by its subject key identifier.
No clear key passes through here.

Ref: RFC 5652 section 6 (EnvelopedData), RFC 5649 (key wrap with padding), RFC 4055 section 4.1 (OAEP parameters).
"""

import hashlib

from asn1crypto import algos, cms, core, keys
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki.errors import RequestRefused
from pki.keystore import WrappedKey

AES256_WRAP_PAD = "2.16.840.1.101.3.4.1.48"
MAX_SPKI_BYTES = 1024
KEY_BITS = range(2048, 4097)


def transport_key(spki: bytes) -> rsa.RSAPublicKey:
    """Parse a device's transport key.

    Raises:
        RequestRefused: It is not an RSA key of 2048 to 4096 bits.
    """
    hint = "Use a product whose key mode is 'device', or newer firmware."
    if len(spki) > MAX_SPKI_BYTES:
        raise RequestRefused(f"the transport key is longer than {MAX_SPKI_BYTES} bytes", hint=hint)
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestRefused("the transport key can't be read", hint=hint) from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in KEY_BITS or key.key_size % 8:
        raise RequestRefused("the transport key is not RSA of 2048 to 4096 bits", hint=hint)
    return key


def key_identifier(spki: bytes) -> bytes:
    """Return the key identifier of RFC 5280 section 4.2.1.2, method 1."""
    public: bytes = keys.PublicKeyInfo.load(spki)["public_key"].contents[1:]
    return hashlib.sha1(public, usedforsecurity=False).digest()


def key_package(wrapped: WrappedKey, transport_spki: bytes) -> bytes:
    """Return the CMS ContentInfo (DER) that carries a wrapped key to the holder of the transport key."""
    recipient = cms.KeyTransRecipientInfo(
        {
            "version": "v2",
            "rid": cms.RecipientIdentifier({"subject_key_identifier": key_identifier(transport_spki)}),
            "key_encryption_algorithm": _oaep(wrapped.oaep_hash),
            "encrypted_key": wrapped.content_key,
        }
    )
    content = cms.EncryptedContentInfo(
        {
            "content_type": "data",
            "content_encryption_algorithm": {"algorithm": AES256_WRAP_PAD},
            "encrypted_content": wrapped.key,
        }
    )
    enveloped = cms.EnvelopedData(
        {
            "version": "v2",
            "recipient_infos": _encoded(cms.RecipientInfos([cms.RecipientInfo({"ktri": _encoded(recipient)})])),
            "encrypted_content_info": _encoded(content),
        }
    )
    package: bytes = cms.ContentInfo({"content_type": "enveloped_data", "content": _encoded(enveloped)}).dump()
    return package


def _encoded(part: core.Asn1Value) -> core.Asn1Value:
    # asn1crypto encodes a built value again at every level above it, a parsed one never: 7 ms or 1 ms for a package.
    return type(part).load(part.dump())


def _oaep(hash_name: str) -> cms.KeyEncryptionAlgorithm:
    digest = algos.DigestAlgorithm({"algorithm": hash_name, "parameters": core.Null()})
    mask = algos.MaskGenAlgorithm({"algorithm": "mgf1", "parameters": digest})
    parameters = algos.RSAESOAEPParams({"hash_algorithm": digest, "mask_gen_algorithm": mask})
    return _encoded(cms.KeyEncryptionAlgorithm({"algorithm": "rsaes_oaep", "parameters": parameters}))

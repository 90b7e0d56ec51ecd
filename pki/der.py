"""DER written by hand where a library would be too slow: tag, length, value (X.690 section 8.1)."""


def tlv(tag: int, content: bytes) -> bytes:
    """Return one DER element of up to 65,535 bytes."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    if size < 0x100:
        return bytes((tag, 0x81, size)) + content
    return bytes((tag, 0x82)) + size.to_bytes(2, "big") + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of elements that are DER already."""
    return tlv(0x30, b"".join(parts))


def bit_string(content: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    return tlv(0x03, b"\0" + content)

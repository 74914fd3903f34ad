"""A public key from PEM text (RFC 7468): ``PUBLIC KEY``, ``RSA PUBLIC KEY`` or ``CERTIFICATE``.

A text must contain exactly one block. With two blocks, two programs could take two different keys
from one text. A certificate is only a container for its key: its chain, issuer and name are not
checked, because Jitsi does not check them either.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import PublicKeyAlgorithmOID

from verifier.keys.model import InvalidKeyError, KeyMetadata

CERTIFICATE: Final = "CERTIFICATE"
_PUBLIC_KEY: Final = "PUBLIC KEY"
_PKCS1_PUBLIC_KEY: Final = "RSA PUBLIC KEY"
_EXPECTED: Final = "expected one PEM block, a public key or a certificate"
_MARKER: Final = "-----BEGIN "
_BLOCK: Final = re.compile(
    r"^-----BEGIN (?P<label>[A-Z0-9 ]+)-----[ \t]*\r?\n"
    r"(?P<base64>[A-Za-z0-9+/=\s]+?)"
    r"^-----END (?P=label)-----[ \t]*\r?$",
    re.MULTILINE,
)
# Object identifier 1.2.840.113549.1.1.10, RSASSA-PSS, in DER; near the start of such a key.
_PSS_OID: Final = bytes.fromhex("06092a864886f70d01010a")


def looks_like_pem(text: str) -> bool:
    """Return whether a text is meant as PEM (or SSH's variant), and so is not a shared secret."""
    return "-----BEGIN" in text or "---- BEGIN" in text


def load_pem(text: str) -> tuple[object, KeyMetadata]:
    """Load the only public key in a text.

    Args:
        text: PEM; text outside of the block is a comment (RFC 7468, section 2).

    Returns:
        A ``cryptography`` public key of any type, and what the text states besides.

    Raises:
        InvalidKeyError: There is no block or more than one, the block is a private key, or its
            base64 or DER is invalid.
    """
    block = _only_block(text)
    label, der = block["label"], _decode_base64(block["base64"])
    warning = _interop_warning(text, block)
    try:
        if label == CERTIFICATE:
            return _load_certificate(x509.load_der_x509_certificate(der), warning)
        # ``cryptography`` loads an RSASSA-PSS key as a plain RSA key and forgets the restriction.
        metadata = KeyMetadata(pss_only=_PSS_OID in der[:40], interop_warning=warning)
        return load_der_public_key(der), metadata
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if isinstance(error, InvalidKeyError):
            raise
        # The message of ``cryptography`` may quote what it read.
        raise InvalidKeyError(f"the block {label!r} contains no readable key") from None


def _only_block(text: str) -> re.Match[str]:
    if "PRIVATE KEY-----" in text:
        raise InvalidKeyError(f"{_EXPECTED}, found a private key", "private")
    # The pattern skips a broken block, so the markers are counted.
    if text.count(_MARKER) != 1:
        raise InvalidKeyError(f"{_EXPECTED}, found {text.count(_MARKER)} blocks")
    block = _BLOCK.search(text)
    if block is None:
        raise InvalidKeyError(f"{_EXPECTED}, found one that is broken or cut off")
    label = block["label"]
    if label not in (_PUBLIC_KEY, _PKCS1_PUBLIC_KEY, CERTIFICATE):
        raise InvalidKeyError(f"{_EXPECTED}, found {label!r}", "key-type")
    return block


def _interop_warning(text: str, block: re.Match[str]) -> str:
    """Return what other programs may read differently; empty if there is nothing."""
    if (text[: block.start()] + text[block.end() :]).strip():
        return "there is text outside of its PEM block"
    # RFC 7468 defines PUBLIC KEY and CERTIFICATE only.
    return "it is in PKCS#1 form" if block["label"] == _PKCS1_PUBLIC_KEY else ""


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except binascii.Error:
        raise InvalidKeyError("expected base64 inside the PEM block") from None


def _load_certificate(
    certificate: x509.Certificate, interop_warning: str
) -> tuple[object, KeyMetadata]:
    pss_only = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    begin = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    metadata = KeyMetadata(None, pss_only, interop_warning, (begin, end))
    return certificate.public_key(), metadata

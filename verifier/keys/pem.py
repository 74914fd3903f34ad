"""A public key out of PEM text (RFC 7468): ``PUBLIC KEY``, ``RSA PUBLIC KEY`` or ``CERTIFICATE``.

Reads exactly one block, so that two readers cannot find two keys in one text. Judges no chain,
no issuer and no name of a certificate: it is only the envelope of a key here.
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
    """Tell whether a text is meant as PEM, and so never as a shared secret."""
    return "-----BEGIN" in text or "---- BEGIN" in text


def load_pem(text: str) -> tuple[object, KeyMetadata]:
    """Load the one public key in a text.

    Args:
        text: PEM; what stands outside of the block is a comment (RFC 7468, section 2).

    Returns:
        A ``cryptography`` public key of any type, and what is written about it.

    Raises:
        InvalidKeyError: no block or several, a private key, bad base64 or DER.
    """
    block = _only_block(text)
    label, der = block["label"], _der(block["base64"])
    interop_warning = _interop_warning(text, block)
    try:
        if label == CERTIFICATE:
            return _from_certificate(x509.load_der_x509_certificate(der), interop_warning)
        pss_only = _PSS_OID in der[:40]
        return load_der_public_key(der), KeyMetadata(
            pss_only=pss_only, interop_warning=interop_warning
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if isinstance(error, InvalidKeyError):
            raise
        # What cryptography says may quote what it read.
        raise InvalidKeyError(f"the block {label!r} holds no key that can be read") from None


def _only_block(text: str) -> re.Match[str]:
    if "PRIVATE KEY-----" in text:
        raise InvalidKeyError(f"{_EXPECTED}, found a private key", "private")
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
    """Say what not every program would read: RFC 7468 knows ``PUBLIC KEY`` and ``CERTIFICATE``."""
    if (text[: block.start()] + text[block.end() :]).strip():
        return "there is text outside of its PEM block"
    return "it is in PKCS#1's form" if block["label"] == _PKCS1_PUBLIC_KEY else ""


def _der(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except binascii.Error:
        raise InvalidKeyError("expected base64 inside the PEM block") from None


def _from_certificate(
    certificate: x509.Certificate, interop_warning: str
) -> tuple[object, KeyMetadata]:
    pss_only = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    moments = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    begins, ends = (moment.timestamp() for moment in moments)
    return certificate.public_key(), KeyMetadata(None, pss_only, interop_warning, (begins, ends))

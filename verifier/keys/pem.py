"""A public key from PEM text (RFC 7468): ``PUBLIC KEY``, ``RSA PUBLIC KEY`` or ``CERTIFICATE``.

A certificate is only a container for its key: its chain, issuer and name are not checked, because
Jitsi does not check them either. Several blocks are read only if all programs take the same key
from them:

==============================================  ====================================================
blocks                                          key
==============================================  ====================================================
one                                             its key
several with the same key                       this key
certificates, each issued by the next one       that of the first; the others are its issuers'
two different keys                              none: the text is refused
a private key beside them                       none: its owner published it
other blocks (parameters, requests) beside one  its key
==============================================  ====================================================
"""

from __future__ import annotations

import binascii
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import PublicKeyAlgorithmOID

from verifier.keys.model import InvalidKeyError, KeyMetadata, quote

CERTIFICATE: Final = "CERTIFICATE"
_PUBLIC_KEY: Final = "PUBLIC KEY"
_PKCS1_PUBLIC_KEY: Final = "RSA PUBLIC KEY"
# RFC 7468, section 5.1: an older label of the same block.
_OLD_CERTIFICATE: Final = "X509 CERTIFICATE"
_KEY_LABELS: Final = (_PUBLIC_KEY, _PKCS1_PUBLIC_KEY, CERTIFICATE, _OLD_CERTIFICATE)
_EXPECTED: Final = "expected one PEM block, a public key or a certificate"
_MARKER: Final = "-----BEGIN "
# RFC 7468, section 3 (lax): blanks count nowhere. Programs that keep PEM in one line, such as an
# environment variable, turn its line ends into spaces or drop them.
_BLOCK: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<base64>[A-Za-z0-9+/=\s]+?)-----END (?P=label)-----"
)
# JSON strings and environment files, read as plain text: a backslash and the letter n.
_ESCAPED_BREAK: Final = re.compile(r"(?:\\r)?\\n")
_ESCAPED: Final = "its line breaks are written as backslash and n"
_LINES: Final = re.compile(r"[ \t]*\r?\n[^-]+\n\Z")
_BYTE_ORDER_MARK: Final = "\ufeff"
# Certificates of a chain; a bundle of all authorities of the web has 150.
_MAX_BLOCKS: Final = 20
# Object identifier 1.2.840.113549.1.1.10, RSASSA-PSS, in DER; near the start of such a key.
_PSS_OID: Final = bytes.fromhex("06092a864886f70d01010a")


class _Block(NamedTuple):
    """One block that contains a key."""

    key: Any
    metadata: KeyMetadata
    certificate: x509.Certificate | None


def looks_like_pem(text: str) -> bool:
    """Return whether a text is meant as PEM (or SSH's variant), and so is not a shared secret."""
    return "-----BEGIN" in text or "---- BEGIN" in text


def with_line_breaks(text: str) -> tuple[str, int]:
    """Return a text with real line breaks in place of escaped ones, and how many there were."""
    return _ESCAPED_BREAK.subn("\n", text)


def load_pem(text: str) -> tuple[object, KeyMetadata]:
    """Load the only public key in a text.

    Args:
        text: PEM; text outside of the blocks is a comment (RFC 7468, section 2).

    Returns:
        A ``cryptography`` public key of any type, and what the text states besides.

    Raises:
        InvalidKeyError: There is no block, two blocks have different keys, a block is a private
            key, or its base64 or DER is invalid.
    """
    text, escaped = with_line_breaks(text.removeprefix(_BYTE_ORDER_MARK))
    if "PRIVATE KEY-----" in text:
        raise InvalidKeyError(f"{_EXPECTED}, found a private key", "private")
    matches = _find_blocks(text)
    blocks = [_load_block(match) for match in matches]
    first = blocks[0]
    if len(blocks) > 1 and not _is_chain(blocks) and not _is_one_key(blocks):
        raise InvalidKeyError(f"{_EXPECTED}, found {len(blocks)} with different keys")
    warning = _ESCAPED if escaped else _interop_warning(text, matches)
    return first.key, replace(first.metadata, interop_warning=warning)


def certificate_from_der(der: bytes) -> tuple[object, KeyMetadata]:
    """Load the key of a certificate.

    Raises:
        InvalidKeyError: The bytes are not a certificate with a key that can be read.
    """
    block = _load(CERTIFICATE, der)
    return block.key, block.metadata


def _find_blocks(text: str) -> list[re.Match[str]]:
    found = text.count(_MARKER)
    if not 0 < found <= _MAX_BLOCKS:
        raise InvalidKeyError(f"{_EXPECTED}, found {found} blocks")
    matches = list(_BLOCK.finditer(text))
    # The pattern skips a broken block, so the markers are counted.
    if len(matches) != found:
        raise InvalidKeyError(f"{_EXPECTED}, found one that is broken or cut off")
    with_keys = [match for match in matches if match["label"] in _KEY_LABELS]
    if not with_keys:
        raise InvalidKeyError(f"{_EXPECTED}, found {quote(matches[0]['label'])}", "key-type")
    return with_keys


def _load_block(match: re.Match[str]) -> _Block:
    return _load(match["label"], _decode_base64(match["base64"]))


def _load(label: str, der: bytes) -> _Block:
    try:
        if label in (CERTIFICATE, _OLD_CERTIFICATE):
            return _load_certificate(x509.load_der_x509_certificate(der))
        # ``cryptography`` loads an RSASSA-PSS key as a plain RSA key and forgets the restriction.
        metadata = KeyMetadata(pss_only=_PSS_OID in der[:40])
        return _Block(load_der_public_key(der), metadata, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The message of ``cryptography`` may quote what it read.
        raise InvalidKeyError(f"the block {label!r} contains no readable key") from None


def _load_certificate(certificate: x509.Certificate) -> _Block:
    pss_only = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    begin = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    return _Block(
        certificate.public_key(), KeyMetadata(None, pss_only, "", (begin, end)), certificate
    )


def _is_chain(blocks: list[_Block]) -> bool:
    """Return whether each block is a certificate whose issuer is the next one (RFC 8446, 4.4.2)."""
    certificates = [block.certificate for block in blocks if block.certificate is not None]
    # A certificate that issued itself ends a chain. Two of them with one name are two keys.
    return len(certificates) == len(blocks) and all(
        lower.issuer == upper.subject != lower.subject for lower, upper in pairwise(certificates)
    )


def _is_one_key(blocks: list[_Block]) -> bool:
    written = {
        block.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for block in blocks
    }
    return len(written) == 1 and len({block.metadata.pss_only for block in blocks}) == 1


def _interop_warning(text: str, matches: list[re.Match[str]]) -> str:
    """Return what other programs may read differently; empty if there is nothing."""
    first = matches[0]
    if len(matches) > 1:
        return "further PEM blocks follow the first one"
    if (text[: first.start()] + text[first.end() :]).strip():
        return "there is text outside of its PEM block"
    if not _LINES.match(first["base64"]):
        return "its PEM block has no lines"
    # RFC 7468 defines PUBLIC KEY and CERTIFICATE only.
    if first["label"] == _PKCS1_PUBLIC_KEY:
        return "it is in PKCS#1 form"
    return "its PEM block has an old label" if first["label"] == _OLD_CERTIFICATE else ""


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except binascii.Error:
        raise InvalidKeyError("expected base64 inside the PEM block") from None

"""Every form that a verification key is written in: secret, PEM, certificate, JWK, JWK set, map.

Values in, keys out. Knows no file, no URL, and nothing of when a key was seen or for how long it
holds (``shell.keysource``).
"""

from __future__ import annotations

import re
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError as UnfitSecretError

from verifier.keys.binding import SKIP_REASONS, InvalidKeyError, SkipReason, bind
from verifier.keys.documents import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_KEYS,
    Document,
    Skipped,
    json_object,
    parse_document,
)
from verifier.keys.jwk import parse_jwk
from verifier.keys.model import Source, VerificationKey
from verifier.keys.pem import load_pem, looks_like_pem

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "MAX_DOCUMENT_KEYS",
    "SKIP_REASONS",
    "Document",
    "InvalidKeyError",
    "SkipReason",
    "Skipped",
    "looks_like_pem",
    "parse_document",
    "parse_key_file",
    "parse_public_key",
    "parse_secret",
    "split_secrets",
    "to_pem",
]

_SECRET_IN_FILE: Final = re.compile(r"-----BEGIN .*?-----END [^\n]*|[^\n]*\S[^\n]*", re.DOTALL)
_HMAC: Final = frozenset({"HS256", "HS384", "HS512"})


def split_secrets(text: str) -> list[str]:
    """Take a file of secrets apart: one a line, or a whole PEM block, less the ends of lines."""
    return _SECRET_IN_FILE.findall(text.replace("\r\n", "\n"))


def parse_secret(text: str | bytes) -> VerificationKey:
    """Read a shared secret; every byte of it counts.

    Raises:
        InvalidKeyError: it is empty, or public: a key or certificate in PEM, DER, SSH or JWK form.
            Anybody could sign with those (RFC 8725, section 2.1).
    """
    secret = text.encode("utf-8") if isinstance(text, str) else text
    if looks_like_pem(secret.decode("latin-1")):
        raise InvalidKeyError("expected a shared secret, found PEM")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except UnfitSecretError:
        found = "a public key, certificate or JWK" if secret else "nothing"
        raise InvalidKeyError(f"expected a shared secret, found {found}") from None
    return VerificationKey(None, _HMAC, secret, "secret")


def parse_public_key(text: str, key_id: str | None, source: Source) -> VerificationKey:
    """Read one public key: PEM, a PEM certificate, or a JWK.

    A certificate is an envelope for its key: as to Jitsi, its dates and issuer mean nothing.

    Args:
        text: The key.
        key_id: The ``kid`` that it is filed under; None for a key that serves any token.
        source: Where it came from.

    Raises:
        InvalidKeyError: none of these, not fit to check signatures with, or a JWK whose own
            ``kid`` is not ``key_id``.
    """
    if not text.lstrip().startswith("{"):
        key, written = load_pem(text)
        return bind(key, key_id, source, written)
    jwk = json_object(text.encode("utf-8"))
    if key_id is not None and jwk.get("kid", key_id) != key_id:
        raise InvalidKeyError(f"the JWK's own kid differs: expected {key_id!r}", "key-id")
    return parse_jwk(jwk, key_id, source)


def parse_key_file(body: bytes, key_id: str | None, source: Source = "file") -> Document:
    """Read a static file: a PEM public key, a PEM certificate, a JWK or a JWK set.

    Args:
        body: The file, UTF-8.
        key_id: The ``kid`` that a single key is filed under. None: a JWK's own, else any token.
            The keys of a JWK set keep their own.
        source: Where it came from.

    Raises:
        InvalidKeyError: none of these, or no usable key in it.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKeyError("expected UTF-8 text") from None
    own_id = key_id
    if text.lstrip().startswith("{"):
        content = json_object(body)
        if "keys" in content:
            return _usable(parse_document(body, source))
        if key_id is None and isinstance(content.get("kid"), str):
            own_id = content["kid"]
    key = parse_public_key(text, own_id, source)
    return Document(static=(key,)) if own_id is None else Document({own_id: key})


def to_pem(key: VerificationKey) -> bytes:
    """Write a public key as PEM ``SubjectPublicKeyInfo``.

    Raises:
        InvalidKeyError: the key is a shared secret.
    """
    if isinstance(key.material, bytes):
        raise InvalidKeyError("expected a public key, found a shared secret", "symmetric")
    written: bytes = key.material.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return written


def _usable(document: Document) -> Document:
    if not document.keys:
        raise InvalidKeyError("expected at least one usable key in the JWK set, found none")
    return document

"""Reads the keys of one entry of the configuration: a text, or a file that it names."""

from __future__ import annotations

from pathlib import Path

from verifier.keys.document import Document
from verifier.keys.formats import (
    MAX_DOCUMENT_BYTES,
    parse_key_file,
    parse_public_key,
    parse_secret,
    split_secrets,
)
from verifier.keys.model import InvalidKeyError, VerificationKey
from verifier.keys.pem import looks_like_pem


def read_secrets(entry: str | Path) -> Document:
    """Read shared secrets, or public keys in PEM that take their place.

    Raises:
        InvalidKeyError: The entry cannot be used; the message says why, never what it contains.
    """
    return Document(static=tuple(map(_parse_secret_or_key, _secret_texts(entry))))


def read_public_keys(entry: str | Path, key_id: str) -> Document:
    """Read the public keys of one entry; the keys of a JWK set keep their own key ids.

    Raises:
        InvalidKeyError: The entry cannot be used.
    """
    body = _read_file(entry) if isinstance(entry, Path) else entry.encode("utf-8")
    return parse_key_file(body, key_id)


def _secret_texts(entry: str | Path) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    try:
        # Editors on Windows put a byte order mark at the start, which is not part of the secret.
        texts = split_secrets(_read_file(entry).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidKeyError("expected UTF-8 text") from None
    if not texts:
        raise InvalidKeyError("expected one secret a line, found nothing")
    return texts


def _parse_secret_or_key(text: str) -> VerificationKey:
    return parse_public_key(text, None, "file") if looks_like_pem(text) else parse_secret(text)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than allowed is enough to see that the file is too large.
            body = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InvalidKeyError(error.strerror or "cannot be read") from None
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes")
    return body

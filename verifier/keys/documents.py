"""Many keys in one JSON document: a JWK set (RFC 7517, section 5), or a map of kid to certificate.

Entries that are no signing keys are passed over one by one, each with a reason that can be
counted. Knows nothing of where a document came from or how long it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from verifier.keys.binding import InvalidKeyError, SkipReason, bind
from verifier.keys.jwk import parse_jwk
from verifier.keys.model import Source, VerificationKey
from verifier.keys.pem import load_pem
from verifier.tokens import jws

MAX_DOCUMENT_BYTES: Final = 1 << 20
MAX_DOCUMENT_KEYS: Final = 1000
_PEM_HEAD: Final = "-----BEGIN "

_Reader = Callable[[Any, str], VerificationKey]
"""Reads one entry under a key id."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """One entry of a document that is not used, and why; never what it contained."""

    reason: SkipReason
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a document or a file gave.

    Attributes:
        keys: By ``kid``.
        skipped: What was passed over, in the document's order.
        static: Keys for tokens of any key id (from files and secrets only).
    """

    keys: Mapping[str, VerificationKey] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    static: tuple[VerificationKey, ...] = ()


def parse_document(body: bytes, source: Source) -> Document:
    """Read a key document; of a ``kid`` that stands in it twice, neither key is used.

    Args:
        body: The document, UTF-8.
        source: Where it came from.

    Raises:
        InvalidKeyError: not strict JSON, neither of the two forms, or over 1 MiB or 1,000 keys.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes, found {len(body)}")
    document = json_object(body)
    jwks = document.get("keys")
    if isinstance(jwks, list):
        return _parse_set(jwks, source)
    return _parse_map(document, source)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a strict JSON object.

    Raises:
        InvalidKeyError: it is none; see ``jws.parse_object``.
    """
    try:
        return jws.parse_object(body)
    except jws.MalformedError as error:
        raise InvalidKeyError(str(error)) from None


def _parse_set(jwks: list[Any], source: Source) -> Document:
    whole = all(isinstance(jwk, dict) for jwk in jwks)

    def read(jwk: dict[str, Any], key_id: str) -> VerificationKey:
        key = parse_jwk(jwk, key_id, source)
        return key if whole else replace(key, doubt="an entry of its JWK set is no object")

    return _collect([(_key_id(jwk), jwk) for jwk in jwks], read)


def _parse_map(document: Mapping[str, Any], source: Source) -> Document:
    def read(text: Any, key_id: str) -> VerificationKey:
        if not isinstance(text, str):
            raise InvalidKeyError("expected PEM, found " + jws.json_type(text))
        if not text.startswith(_PEM_HEAD):
            raise InvalidKeyError("expected PEM, from the first character on")
        key, written = load_pem(text)
        return bind(key, key_id, source, written)

    return _collect(list(document.items()), read)


def _key_id(jwk: Any) -> str | None:
    key_id = jwk.get("kid") if isinstance(jwk, dict) else None
    return key_id if isinstance(key_id, str) else None


def _collect(entries: Sequence[tuple[str | None, Any]], read: _Reader) -> Document:
    if len(entries) > MAX_DOCUMENT_KEYS:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_KEYS} keys, found {len(entries)}")
    times = Counter(key_id for key_id, _ in entries)
    keys: dict[str, VerificationKey] = {}
    skipped: list[Skipped] = []
    for key_id, entry in entries:
        if key_id is None:
            skipped.append(Skipped("key-id"))
        elif times[key_id] > 1:
            skipped.append(Skipped("duplicate-key-id", key_id))
        else:
            try:
                keys[key_id] = read(entry, key_id)
            except InvalidKeyError as error:
                skipped.append(Skipped(error.reason, key_id))
    return Document(keys, tuple(skipped))

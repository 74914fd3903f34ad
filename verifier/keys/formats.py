"""The formats of verification keys: secret, PEM, certificate, JWK, JWK set, map of certificates.

Each function turns a text into keys. A document is parsed entry by entry: an entry that is not a
signing key is skipped with a reason that a metric counts, and the other entries are used. This
module reads no file and no URL, and it does not know how long a key may be used (``sources``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError as UnfitSecretError

from verifier.keys.jwk import parse_jwk
from verifier.keys.model import InvalidKeyError, SkipReason, Source, VerificationKey, bind
from verifier.keys.pem import load_pem, looks_like_pem
from verifier.tokens import jws

# 1,000 JWKs of RSA with 4,096 bits take 0.8 MB: both limits end at the same size of document.
MAX_DOCUMENT_BYTES: Final = 1 << 20
MAX_DOCUMENT_KEYS: Final = 1000

_SECRET_IN_FILE: Final = re.compile(r"-----BEGIN .*?-----END [^\n]*|[^\n]*\S[^\n]*", re.DOTALL)
_HMAC: Final = frozenset({"HS256", "HS384", "HS512"})
_PEM_START: Final = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """One entry of a document that is not used, and the reason; never the entry itself."""

    reason: SkipReason
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The keys that a document or a file contains.

    Attributes:
        keys: By ``kid``.
        skipped: The entries that are not used, in the document's order.
        static: Keys that are tried for every token (from files and secrets only).
    """

    keys: Mapping[str, VerificationKey] = field(default_factory=dict)
    skipped: tuple[SkippedKey, ...] = ()
    static: tuple[VerificationKey, ...] = ()


def split_secrets(text: str) -> list[str]:
    """Split a file of secrets: one secret a line, or a whole PEM block, without line ends."""
    return _SECRET_IN_FILE.findall(text.replace("\r\n", "\n"))


def parse_secret(text: str | bytes) -> VerificationKey:
    """Parse a shared secret; every byte belongs to the secret.

    Raises:
        InvalidKeyError: The secret is empty, or it is a public key or certificate in PEM, DER, SSH
            or JWK form. A public key as a secret lets any client sign (RFC 8725, section 2.1).
    """
    secret = text.encode("utf-8") if isinstance(text, str) else text
    # Latin-1 decodes every byte, so binary secrets are checked too.
    if looks_like_pem(secret.decode("latin-1")):
        raise InvalidKeyError("expected a shared secret, found PEM")
    # PyJWT recognises public keys in the other forms.
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except UnfitSecretError:
        found = "a public key, certificate or JWK" if secret else "nothing"
        raise InvalidKeyError(f"expected a shared secret, found {found}") from None
    return VerificationKey(None, _HMAC, secret, "secret")


def parse_public_key(text: str, key_id: str | None, source: Source) -> VerificationKey:
    """Parse one public key: PEM, a PEM certificate, or a JWK.

    A certificate is only a container for its key: its dates and issuer are not checked here,
    because Jitsi does not check them either. Strict rules check the dates.

    Args:
        text: The key.
        key_id: The ``kid`` of the key; None for a key that serves any token.
        source: The kind of source that the text came from.

    Raises:
        InvalidKeyError: The text has none of these forms, the key cannot check signatures, or it is
            a JWK whose own ``kid`` differs from ``key_id``.
    """
    if not text.lstrip().startswith("{"):
        key, metadata = load_pem(text)
        return bind(key, key_id, source, metadata)
    jwk = _parse_json_object(text.encode("utf-8"))
    if key_id is not None and jwk.get("kid", key_id) != key_id:
        raise InvalidKeyError(f"the JWK's own kid differs: expected {key_id!r}", "key-id")
    return parse_jwk(jwk, key_id, source)


def parse_key_file(body: bytes, key_id: str | None, source: Source = "file") -> Document:
    """Parse a static file: a PEM public key, a PEM certificate, a JWK or a JWK set.

    Args:
        body: The file's content, UTF-8.
        key_id: The ``kid`` of a single key. None: the JWK's own ``kid``, else a key that serves any
            token. The keys of a JWK set keep their own ``kid``.
        source: The kind of source that the file belongs to.

    Raises:
        InvalidKeyError: The file has none of these forms, or it contains no usable key.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKeyError("expected UTF-8 text") from None
    own_id = key_id
    if text.lstrip().startswith("{"):
        content = _parse_json_object(body)
        # An operator's file is a JWK or a JWK set; a single JWK has no member "keys".
        if "keys" in content:
            return _require_keys(parse_document(body, source))
        if key_id is None and isinstance(content.get("kid"), str):
            own_id = content["kid"]
    key = parse_public_key(text, own_id, source)
    return Document(static=(key,)) if own_id is None else Document({own_id: key})


def parse_document(body: bytes, source: Source) -> Document:
    """Parse a key document: a JWK set (RFC 7517, section 5), or a map of ``kid`` to certificate.

    If a ``kid`` occurs more than once, none of its keys is used: another program might take the
    other key.

    Args:
        body: The document, UTF-8.
        source: The kind of source that the document came from.

    Raises:
        InvalidKeyError: The document is not strict JSON, has neither form, or exceeds 1 MiB or
            1,000 keys.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes, found {len(body)}")
    content = _parse_json_object(body)
    jwks = content.get("keys")
    # A map may contain the kid "keys"; its value is a text, never a list.
    if isinstance(jwks, list):
        return _parse_jwk_set(jwks, source)
    return _parse_certificate_map(content, source)


def to_pem(key: VerificationKey) -> bytes:
    """Return a public key as PEM ``SubjectPublicKeyInfo``.

    Raises:
        InvalidKeyError: The key is a shared secret.
    """
    if isinstance(key.material, bytes):
        raise InvalidKeyError("expected a public key, found a shared secret", "symmetric")
    pem: bytes = key.material.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def _parse_json_object(body: bytes) -> dict[str, Any]:
    try:
        return jws.parse_object(body)
    except jws.MalformedError as error:
        raise InvalidKeyError(str(error)) from None


def _require_keys(document: Document) -> Document:
    if not document.keys:
        raise InvalidKeyError("expected at least one usable key in the JWK set, found none")
    return document


def _parse_jwk_set(jwks: list[Any], source: Source) -> Document:
    all_objects = all(isinstance(jwk, dict) for jwk in jwks)

    def parse(jwk: dict[str, Any], key_id: str) -> VerificationKey:
        key = parse_jwk(jwk, key_id, source)
        if all_objects:
            return key
        # Some JWK libraries refuse the whole set in this case.
        return replace(key, interop_warning="an entry of its JWK set is not an object")

    return _parse_entries([(_key_id(jwk), jwk) for jwk in jwks], parse)


def _parse_certificate_map(entries: Mapping[str, Any], source: Source) -> Document:
    def parse(text: Any, key_id: str) -> VerificationKey:
        if not isinstance(text, str):
            raise InvalidKeyError("expected PEM, found " + jws.json_type(text))
        # Jitsi ignores an entry that starts with anything else, even with a line break.
        if not text.startswith(_PEM_START):
            raise InvalidKeyError("expected PEM, from the first character on")
        key, metadata = load_pem(text)
        return bind(key, key_id, source, metadata)

    return _parse_entries(list(entries.items()), parse)


def _key_id(jwk: Any) -> str | None:
    key_id = jwk.get("kid") if isinstance(jwk, dict) else None
    return key_id if isinstance(key_id, str) else None


def _parse_entries(
    entries: Sequence[tuple[str | None, Any]], parse: Callable[[Any, str], VerificationKey]
) -> Document:
    if len(entries) > MAX_DOCUMENT_KEYS:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_KEYS} keys, found {len(entries)}")
    occurrences = Counter(key_id for key_id, _ in entries)
    keys: dict[str, VerificationKey] = {}
    skipped: list[SkippedKey] = []
    for key_id, entry in entries:
        if key_id is None:
            skipped.append(SkippedKey("key-id"))
        elif occurrences[key_id] > 1:
            skipped.append(SkippedKey("duplicate-key-id", key_id))
        else:
            try:
                keys[key_id] = parse(entry, key_id)
            except InvalidKeyError as error:
                skipped.append(SkippedKey(error.reason, key_id))
    return Document(keys, tuple(skipped))

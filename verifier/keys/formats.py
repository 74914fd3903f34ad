"""The formats of verification keys: secret, PEM, certificate, JWK, JWK set, map of certificates.

Each function turns a text into keys. A document is parsed entry by entry: an entry that is not a
signing key is skipped with its reason, and the other entries are used; ``document`` decides what
several entries with one ``kid`` mean. This module reads no file and no URL, and it does not know
how long a key may be used (``sources``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError as UnfitSecretError

from verifier.keys.document import Document, SkippedKey, choose_keys
from verifier.keys.document_json import DoubledObject, decode_text, find_oddity, parse_json
from verifier.keys.jwk import has_private_member, parse_jwk, with_standard_names
from verifier.keys.model import InvalidKeyError, SkipReason, Source, VerificationKey, bind, quote
from verifier.keys.pem import load_pem, looks_like_pem
from verifier.keys.published import PublishedKeys
from verifier.tokens.jws import json_type

# 1,000 JWKs of RSA with 4,096 bits take 0.8 MB: both limits end at the same size of document.
MAX_DOCUMENT_BYTES: Final = 1 << 20
MAX_DOCUMENT_KEYS: Final = 1000

_SECRET_IN_FILE: Final = re.compile(r"-----BEGIN .*?-----END [^\n]*|[^\n]*\S[^\n]*", re.DOTALL)
_BYTE_ORDER_MARK: Final = "\ufeff"
_HMAC: Final = frozenset({"HS256", "HS384", "HS512"})
_LONGEST_URL: Final = 160  # characters of a URL in a message
_LONGEST_NAME: Final = 30  # and of the name of a member
_MOST_NAMES: Final = 3
_IN_CAPITALS: Final = "the names of its members are in capitals"


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
    text = text.removeprefix(_BYTE_ORDER_MARK)
    if not text.lstrip().startswith("{"):
        key, metadata = load_pem(text)
        return bind(key, key_id, source, metadata)
    written = _parse_object(text.encode("utf-8", "surrogateescape"))
    jwk = with_standard_names(written)
    own_id = _key_id(jwk)
    if None not in (key_id, own_id) and own_id != key_id:
        raise InvalidKeyError(f"the JWK's own kid differs: expected {key_id!r}", "key-id")
    return _parse_jwk(jwk, key_id, source, "" if jwk is written else _IN_CAPITALS)


def parse_key_file(body: bytes, key_id: str | None, source: Source = "file") -> Document:
    """Parse a static file: a PEM public key, a PEM certificate, a JWK, or a key document.

    Args:
        body: The file's content, UTF-8; a byte order mark is skipped.
        key_id: The ``kid`` of a single key. None: the JWK's own ``kid``, else a key that serves any
            token. The keys of a document keep their own ``kid``.
        source: The kind of source that the file belongs to.

    Raises:
        InvalidKeyError: The file has none of these forms, or it contains no usable key.
    """
    text = decode_text(body)
    own_id = key_id
    if text.lstrip().startswith(("{", "[")):
        content = parse_json(body)
        if isinstance(content, list) or not _is_jwk(content):
            return _require_keys(_parse_content(content, source))
        own_id = _key_id(with_standard_names(content)) if key_id is None else key_id
    key = parse_public_key(text, own_id, source)
    return Document(static=(key,)) if own_id is None else Document({own_id: key})


def parse_document(body: bytes, source: Source) -> Document:
    """Parse a key document: a JWK set (RFC 7517, section 5), or a map of ``kid`` to certificate.

    Also read is a JWK alone, a list of JWKs, and a JWK set whose ``keys`` is an object; other
    programs refuse them. An entry that is no signing key is skipped. The members beside ``keys``
    are ignored.

    Args:
        body: The document, UTF-8; a byte order mark is skipped.
        source: The kind of source that the document came from.

    Raises:
        InvalidKeyError: The document is not JSON, has none of these forms, or exceeds 1 MiB or
            1,000 keys.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes, found {len(body)}")
    return _parse_content(parse_json(body), source)


def to_pem(key: VerificationKey) -> bytes:
    """Return a public key as PEM ``SubjectPublicKeyInfo``.

    Raises:
        InvalidKeyError: The key is a shared secret.
    """
    if isinstance(key.material, bytes):
        raise InvalidKeyError("expected a public key, found a shared secret", "symmetric")
    pem: bytes = key.material.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def _parse_object(body: bytes) -> dict[str, Any]:
    content = parse_json(body)
    if not isinstance(content, dict):
        raise InvalidKeyError(f"expected a JSON object, found {json_type(content)}")
    return content


def _require_keys(document: Document) -> Document:
    if not document.keys:
        reasons = describe_skipped(document.skipped) or "it is empty"
        raise InvalidKeyError(f"expected at least one usable key in the JWK set: {reasons}")
    return document


def _parse_content(content: Any, source: Source) -> Document:
    if isinstance(content, list):
        return _parse_jwk_set(content, source, "its JWKs are a list without the member keys")
    if not isinstance(content, dict):
        raise InvalidKeyError(f"expected a JSON object, found {json_type(content)}")
    if isinstance(content, DoubledObject) and [name for name, _ in content.pairs].count("keys") > 1:
        raise InvalidKeyError("expected the member keys once, found it twice")
    # .NET writes its properties in capitals.
    jwks = content.get("keys", content.get("Keys", ...))
    # A map may contain the kid "keys"; its value is a text, never a list.
    if isinstance(jwks, list) or jwks is None:
        return _parse_jwk_set(jwks or [], source)
    if isinstance(jwks, dict):
        return _parse_jwk_set(_jwks_of_object(jwks), source, "the member keys is an object")
    if _is_jwk(content):
        return _parse_jwk_set([content], source, "it is a JWK without a JWK set")
    _refuse_other_document(content)
    return _parse_certificate_map(content, source)


def _is_jwk(content: dict[str, Any]) -> bool:
    names = with_standard_names(content).keys()
    return "kty" in names or names >= {"n", "e"} or names >= {"crv", "x", "y"}


def _jwks_of_object(keys: dict[str, Any]) -> list[Any]:
    """Return the JWKs of a member ``keys`` that is no list.

    PHP writes an array with gaps as an object, and PowerShell an array of one as its only item.
    """
    if _is_jwk(keys):
        return [keys]
    pairs = keys.pairs if isinstance(keys, DoubledObject) else keys.items()
    return [value for _, value in pairs]


def _refuse_other_document(content: dict[str, Any]) -> None:
    """Refuse an object that is no map of PEM.

    Identity providers have other pages beside their keys. For these, the error names the right one.

    Raises:
        InvalidKeyError: The document is no map of PEM.
    """
    # OpenID Connect Discovery 1.0, section 3, and RFC 8414.
    if isinstance(content.get("jwks_uri"), str):
        address = quote(content["jwks_uri"], _LONGEST_URL)
        raise InvalidKeyError(
            f"found a discovery document: set cache_keys_url to its jwks_uri, {address}"
        )
    if isinstance(content.get("token-service"), str) and "public_key" in content:
        address = quote(content["token-service"] + "/certs", _LONGEST_URL)
        raise InvalidKeyError(
            f"found the page of a Keycloak realm: set cache_keys_url to {address}"
        )
    values = [value for value in content.values() if isinstance(value, str)]
    if content and not any(map(looks_like_pem, values)):
        names = ", ".join(quote(name, _LONGEST_NAME) for name in islice(content, _MOST_NAMES))
        more = ", ..." if len(content) > _MOST_NAMES else ""
        raise InvalidKeyError(
            f"expected a JWK set or a map of key ids to PEM, found an object with {names}{more}"
        )


def describe_skipped(skipped: Iterable[SkippedKey]) -> str:
    """Return why entries are not used, in one bounded line; empty for no entries."""
    texts = []
    for entry in skipped:
        which = "an entry" if entry.key_id is None else quote(entry.key_id)
        text = f"{which}: {entry.detail}"
        if text not in texts:
            texts.append(text)
    more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
    return "; ".join(texts[:3]) + more


def _parse_jwk_set(jwks: list[Any], source: Source, irregular: str = "") -> Document:
    if not irregular and not all(isinstance(jwk, dict) for jwk in jwks):
        # Some JWK libraries refuse the whole set in this case.
        irregular = "an entry of its JWK set is not an object"
    named = [with_standard_names(jwk) if isinstance(jwk, dict) else jwk for jwk in jwks]
    if any(jwk is not written for jwk, written in zip(named, jwks, strict=True)):
        irregular = irregular or _IN_CAPITALS

    def parse(jwk: Any, key_id: str | None) -> VerificationKey:
        if not isinstance(jwk, dict):
            raise InvalidKeyError(f"expected a JWK, found {json_type(jwk)}")
        return _parse_jwk(jwk, key_id, source, irregular)

    entries = [(_key_id(jwk) if isinstance(jwk, dict) else None, jwk) for jwk in named]
    return _parse_entries(entries, parse)


def _parse_jwk(
    jwk: dict[str, Any], key_id: str | None, source: Source, irregular: str = ""
) -> VerificationKey:
    """Parse a JWK with whatever members it has besides those of the key."""
    oddity = find_oddity(jwk)
    if isinstance(jwk, DoubledObject):
        # Which of the two values counts differs from program to program.
        reason: SkipReason = "private" if has_private_member(jwk.pairs) else "malformed"
        raise InvalidKeyError(f"the JWK is ambiguous: {oddity}", reason)
    if type(jwk.get("kid")) is int:
        irregular = irregular or "its kid is a number"
    return parse_jwk(jwk, key_id, source, "; ".join(filter(None, (irregular, oddity))))


def _parse_certificate_map(content: dict[str, Any], source: Source) -> Document:
    def parse(text: Any, key_id: str | None) -> VerificationKey:
        if not isinstance(text, str):
            raise InvalidKeyError("expected PEM, found " + json_type(text))
        key, metadata = load_pem(text)
        # Jitsi ignores an entry that starts with anything else, even with a line break.
        if not text.startswith("-----BEGIN "):
            metadata = replace(metadata, interop_warning="its text does not start with PEM")
        return bind(key, key_id, source, metadata)

    pairs = content.pairs if isinstance(content, DoubledObject) else list(content.items())
    return _parse_entries(pairs, parse)


def _key_id(jwk: dict[str, Any]) -> str | None:
    """Return the ``kid`` of a JWK; a number is read as its digits, which are its only text."""
    key_id = jwk.get("kid")
    if type(key_id) is int:
        return str(key_id)
    return key_id if isinstance(key_id, str) else None


def _parse_entries(
    entries: Iterable[tuple[str | None, Any]], parse: Callable[[Any, str | None], VerificationKey]
) -> Document:
    entries = list(entries)
    if len(entries) > MAX_DOCUMENT_KEYS:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_KEYS} keys, found {len(entries)}")
    usable: list[tuple[str, VerificationKey]] = []
    skipped: list[SkippedKey] = []
    published = PublishedKeys(parse)
    for key_id, entry in entries:
        try:
            key = parse(entry, key_id)
            usable.append((_require_key_id(key_id), key))
        except InvalidKeyError as error:
            skipped.append(SkippedKey(error.reason, key_id, str(error)))
            if error.reason == "private":
                published.add(key_id, entry)
    safe = []
    for key_id, key in usable:
        if published.contain(key_id, key):
            detail = "another entry publishes its private key"
            skipped.append(SkippedKey("private", key_id, detail))
        else:
            safe.append((key_id, key))
    return choose_keys(safe, skipped)


def _require_key_id(key_id: str | None) -> str:
    if key_id is None:
        raise InvalidKeyError("expected a kid: a token names its key by it", "key-id")
    if find_oddity(key_id):
        raise InvalidKeyError("expected a kid of Unicode text", "key-id")
    return key_id

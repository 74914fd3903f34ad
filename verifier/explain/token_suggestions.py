"""What to change about a token's form, algorithm, key or signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import quoted
from verifier.keys.model import ALGORITHMS, JITSI_ALGORITHMS, VerificationKey
from verifier.tokens.claims import ABSENT
from verifier.tokens.jws import Token

_WRAPPED: Final = re.compile(r"\s*(bearer\s|[\"'])", re.IGNORECASE)
_ENCRYPTED_SEGMENTS: Final = 5
_DECODED: Final = (
    "The token was signed with app_secret decoded from {}, but Jitsi takes the secret as text: sign"
    " with the text of app_secret (JWT_APP_SECRET) as it stands, without decoding it."
)
_ENCODED: Final = (
    "The token was signed with app_secret encoded in {0}: sign with the text of app_secret"
    " (JWT_APP_SECRET) as it stands, or configure its {0} text as app_secret."
)
_TRIMMED: Final = (
    "The token was signed with app_secret but for blanks or a line break at its end: give both"
    " sides the same bytes."
)


def suggest_adding_token(_decided: DecidedRequest) -> str:
    """No token, and guests are not allowed."""
    return (
        "Add a token to the room's URL, as ?jwt=TOKEN; guests come in without one only under"
        " allow_empty_token (JWT_ALLOW_EMPTY)."
    )


def suggest_token_form(decided: DecidedRequest) -> str:
    """Not a strict compact token, or one with a header that asks for more."""
    token, text = decided.token, decided.request.token or ""
    irregularity = "" if token is None else token.irregularity
    if not irregularity:
        names = [name for name in ("crit", "zip") if name in decided.header.raw]
        return f"Sign without {' and '.join(names)} in the token's header."
    return _by_characters(text) or _by_segments(text) or f"Make it a compact JWT: {irregularity}."


def _by_characters(text: str) -> str | None:
    if _WRAPPED.match(text):
        return "Send the token alone, without 'Bearer ' before it or quotes around it."
    if re.search(r"\s", text):
        return "Take the blanks and line breaks out of the token."
    if "=" in text:
        return "Leave out the = padding: a JWT's parts are base64url without any."
    if "+" in text or "/" in text:
        return "Encode with base64url, which has - and _ where base64 has + and /."
    return None


def _by_segments(text: str) -> str | None:
    count = text.count(".") + 1
    if count == _ENCRYPTED_SEGMENTS:
        return "Sign the token instead of encrypting it: this is a JWE, and Jitsi takes only a JWS."
    if count != 3:
        return (
            f"Send the whole token: it has three parts with dots between them, and this one has"
            f" {count}."
        )
    if text.endswith("."):
        return "Sign the token: its third part, the signature, is empty."
    return None


def suggest_key_id(decided: DecidedRequest) -> str:
    """Keys come from a URL and the header names none."""
    kind = "" if decided.header.key_id is ABSENT else ", as a string"
    return (
        f"Put kid into the token's header{kind}: this server looks keys up by it at"
        " asap_key_server or cache_keys_url."
    )


def suggest_algorithm(decided: DecidedRequest) -> str:
    """Another algorithm than the one that is accepted, or none at all."""
    pinned, found = decided.policy.signature_algorithm, decided.header.algorithm
    if decided.policy.other_algorithms:
        return (
            f"Sign with {decided.policy.accepted_algorithms}: the token does with {quoted(found)}."
        )
    if not isinstance(found, str) or found not in ALGORITHMS:
        unsigned = isinstance(found, str) and found.lower() == "none"
        hint = "; an unsigned token is never accepted" if unsigned else ""
        return f'Put "alg": "{pinned}" into the token\'s header, and sign with it{hint}.'
    if _shared(found) and not _shared(pinned):
        return (
            f"Sign with the private key and {pinned}, not with a secret and {found}; or, where a"
            f" secret is meant, set signature_algorithm (JWT_SIGN_TYPE) to {found} and app_secret"
            " (JWT_APP_SECRET), without a key URL."
        )
    if _shared(pinned) and not _shared(found):
        return (
            f"Sign with app_secret and {pinned}, not with a private key and {found}; or set"
            f" signature_algorithm (JWT_SIGN_TYPE) to {found} and give the public key"
            " (cache_keys_url, asap_key_server or public_keys)."
        )
    if found not in JITSI_ALGORITHMS:
        return f"Sign with {pinned}: Jitsi itself knows only {', '.join(JITSI_ALGORITHMS)}."
    return f"Sign with {pinned}, or set signature_algorithm (JWT_SIGN_TYPE) to {found}."


def _shared(algorithm: str) -> bool:
    return algorithm.startswith("HS")


def suggest_key(decided: DecidedRequest) -> str:
    """No key of this key id."""
    key_id: Any = decided.header.key_id
    if "is not used" in decided.detail:
        which = f" of kid {quoted(key_id)}" if isinstance(key_id, str) else ""
        return (
            f"Publish the key{which} anew, in one plain form and, if at all, with a certificate"
            f' that is valid: {decided.detail} (rules = "strict").'
        )
    if not isinstance(key_id, str):
        return "Put the kid of a configured key into the token's header."
    if not decided.policy.key_server:
        return (
            f"Add the key of kid {quoted(key_id)} to public_keys, or sign with one that is there."
        )
    digest = hashlib.sha256(key_id.encode("utf-8", "surrogatepass")).hexdigest()
    return (
        f"Publish the key of kid {quoted(key_id)} (at asap_key_server as {digest}.pem, in"
        " cache_keys_url's document under that kid), or sign with a key that is published."
    )


def suggest_reachable_keys(_decided: DecidedRequest) -> str:
    """The key source does not answer."""
    return (
        "Make asap_key_server or cache_keys_url reachable from here and its answer readable;"
        " the token itself need not be wrong."
    )


def suggest_type(decided: DecidedRequest) -> str:
    """``typ`` is not JWT."""
    found = decided.header.type
    if isinstance(found, str) and found.lower().removeprefix("application/") == "at+jwt":
        return 'Issue a token for Jitsi with "typ": "JWT": this is an OAuth access token (at+jwt).'
    return 'Put "typ": "JWT" into the token\'s header, in capitals: Jitsi insists on it.'


def suggest_signing_key(decided: DecidedRequest) -> str:
    """No key made this signature."""
    policy, token = decided.policy, decided.token
    if token is not None:
        algorithm = str(decided.header.algorithm)
        other = _other_reading(token, algorithm, decided.keys.static)
        strange = _by_characters(decided.request.token or "") if token.irregularity else None
        if strange or other:
            return strange or other or ""
    issuer, hint = decided.claims.issuer, ""
    if "*" not in policy.asap_accepted_issuers and issuer not in policy.asap_accepted_issuers:
        hint = "; its iss is none that is accepted here, so it may be meant for another server"
    if _shared(str(decided.header.algorithm)):
        return f"Sign with exactly the app_secret (JWT_APP_SECRET) that this server has{hint}."
    return f"Sign with the private key that belongs to this server's public key{hint}."


def _other_reading(token: Token, algorithm: str, keys: Sequence[VerificationKey]) -> str | None:
    """Say what to change where one of the secrets, read otherwise, made the signature.

    Args:
        token: A token with a wrong signature.
        algorithm: The one that is accepted.
        keys: The keys that were tried; only shared secrets have other readings.
    """
    for key in keys:
        if key.source != "secret":
            continue
        for cure, material in _readings(key.material):
            other = replace(key, material=material)
            if material and other.verify(algorithm, token.signing_input, token.signature):
                return cure
    return None


def _readings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield _DECODED.format("base64"), _from_base64(secret)
    yield _DECODED.format("hexadecimal"), _from_hex(secret)
    for encoded in (base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        yield _ENCODED.format("base64"), encoded
        yield _ENCODED.format("base64"), encoded.rstrip(b"=")
    yield _ENCODED.format("hexadecimal"), secret.hex().encode()
    for trimmed in (secret.strip(), secret + b"\n", secret + b"\r\n"):
        yield _TRIMMED, trimmed


def _from_base64(secret: bytes) -> bytes:
    standard = secret.strip().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        return b""


def _from_hex(secret: bytes) -> bytes:
    try:
        return bytes.fromhex(secret.decode("ascii"))
    except ValueError:
        return b""

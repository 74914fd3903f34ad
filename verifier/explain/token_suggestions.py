"""Suggestions about a token's algorithm, key and signature.

Most wrong signatures come from a shared secret that the two sides read differently: one of them
decodes base64, or keeps a line break. ``_find_other_reading`` tries these readings, for the
explanation alone. No decision ever depends on them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.form_suggestions import (
    suggest_by_text,
    suggest_order,
    suggest_signing,
)
from verifier.explain.misplaced import describe_missing_in_header
from verifier.explain.signature_suggestions import suggest_whole_signature
from verifier.explain.wording import quote, quote_accepted
from verifier.keys.model import (
    ALGORITHMS,
    JITSI_ALGORITHMS,
    VerificationKey,
    is_symmetric,
    key_id_digest,
)
from verifier.rules.token import KEY_NOT_USED
from verifier.tokens.claims import ABSENT
from verifier.tokens.jws import Token

_JAAS: Final = "vpaas-magic-cookie-"
_DECODED: Final = (
    "The token was signed with app_secret decoded from {}, but Jitsi takes the secret as text. Sign"
    " with the text of app_secret (JWT_APP_SECRET) as it stands, without decoding it."
)
_ENCODED: Final = (
    "The token was signed with app_secret encoded in {0}. Sign with the text of app_secret"
    " (JWT_APP_SECRET) as it stands, or configure its {0} text as app_secret."
)
_TRIMMED: Final = (
    "The secret that signed the token differs from app_secret only in blanks or a line break at"
    " its end. Give both sides the same bytes."
)


def suggest_adding_token(_decided: DecidedRequest) -> str:
    """Suggest a token: guests are not allowed."""
    return (
        "The request has no token. Add a token to the room's URL, as ?jwt=TOKEN. Guests enter"
        " without a token only with"
        " allow_empty_token (JWT_ALLOW_EMPTY)."
    )


def suggest_key_id(decided: DecidedRequest) -> str:
    """Suggest a ``kid``: the keys come from a URL."""
    by_order = suggest_order(decided)
    if by_order is not None:
        return by_order
    kind, cause = ", as a string", "The kid in the token's header is no string."
    if decided.header.key_id is ABSENT:
        kind = ""
        cause = describe_missing_in_header("kid", decided.claims, decided.header.raw)
    return (
        f"{cause} This server finds a key by its kid, at asap_key_server or cache_keys_url. Put kid"
        f" into the token's header{kind}."
    )


def suggest_algorithm(decided: DecidedRequest) -> str:
    """Suggest an accepted algorithm, or the options that accept the token's algorithm."""
    expected, found = decided.policy.signature_algorithm, decided.header.algorithm
    elsewhere = suggest_order(decided) or _suggest_for_other_service(decided)
    if elsewhere is not None:
        return elsewhere
    if decided.policy.other_algorithms:
        return (
            f"The token is signed with {quote(found)}. Sign with"
            f" {decided.policy.accepted_algorithms}."
        )
    unsigned = suggest_signing(decided)
    if unsigned is not None:
        return unsigned
    if not isinstance(found, str) or found not in ALGORITHMS:
        cause = describe_missing_in_header("alg", decided.claims, decided.header.raw)
        if found is not ABSENT:
            cause = f"Jitsi knows no algorithm of the name {quote(found)}."
        return f'{cause} Put "alg": "{expected}" into the token\'s header, and sign with it.'
    cause = f"The token is signed with {found}, and this server accepts {expected}."
    if is_symmetric(found) and not is_symmetric(expected):
        return (
            f"{cause} Sign with the private key and {expected}, not with a secret and {found}. If"
            " a secret"
            f" is intended, set signature_algorithm (JWT_SIGN_TYPE) to {found} and app_secret"
            " (JWT_APP_SECRET), without a key URL."
        )
    if is_symmetric(expected) and not is_symmetric(found):
        return (
            f"{cause} Sign with app_secret and {expected}, not with a private key and {found}. If"
            " a key"
            f" pair is intended, set signature_algorithm (JWT_SIGN_TYPE) to {found}, and configure"
            " the public key (cache_keys_url, asap_key_server or public_keys)."
        )
    if found not in JITSI_ALGORITHMS:
        supported = ", ".join(JITSI_ALGORITHMS)
        return f"{cause} Sign with {expected}: Jitsi itself supports only {supported}."
    return f"{cause} Sign with {expected}, or set signature_algorithm (JWT_SIGN_TYPE) to {found}."


def suggest_key(decided: DecidedRequest) -> str:
    """Suggest a published key, or to publish the token's key."""
    key_id: Any = decided.header.key_id
    if decided.cause == KEY_NOT_USED:
        which = f" of kid {quote(key_id)}" if isinstance(key_id, str) else ""
        reason = decided.detail.removeprefix("the key is not used: ")
        return (
            f'The key is published, but rules = "strict" does not use it: {reason}.'
            f" Publish the key{which} again, in one plain form, and with a valid certificate or"
            " with none."
        )
    if not isinstance(key_id, str):
        return (
            "The token names no key, and this server has no key without a name. Put the kid of a"
            " configured key into the token's header."
        )
    if not decided.policy.key_server:
        return (
            f"This server has no key of kid {quote(key_id)}. Add the key to public_keys, or sign"
            " with a key that is there."
        )
    elsewhere = _suggest_for_other_service(decided)
    if elsewhere is not None:
        return elsewhere
    digest = key_id_digest(key_id)
    return (
        f"No key of kid {quote(key_id)} is published. Publish the key (at asap_key_server as"
        f" {digest}.pem, in the"
        " document of cache_keys_url under that kid), or sign with a key that is published."
    )


def suggest_reachable_keys(_decided: DecidedRequest) -> str:
    """Suggest to repair the key source."""
    return (
        "The keys cannot be fetched now, and the token may be correct. Make asap_key_server or"
        " cache_keys_url reachable from this"
        " machine, and its response readable."
    )


def suggest_type(decided: DecidedRequest) -> str:
    """Suggest ``typ`` JWT."""
    found, by_order = decided.header.type, suggest_order(decided)
    if by_order is not None:
        return by_order
    if isinstance(found, str) and found.lower().removeprefix("application/") == "at+jwt":
        return 'This is an OAuth access token (at+jwt). Issue a token for Jitsi with "typ": "JWT".'
    cause = f"The token's typ is {quote(found)}."
    if found is ABSENT:
        cause = describe_missing_in_header("typ", decided.claims, decided.header.raw)
    return f'{cause} Put "typ": "JWT" into the token\'s header, in capitals, as Jitsi requires.'


def suggest_signing_key(decided: DecidedRequest) -> str:
    """Suggest the right key, or what changed the token or the secret on the way."""
    policy, token = decided.policy, decided.token
    if token is not None:
        # A strict token was not changed on its way. Others are read leniently, as Jitsi does.
        by_text = suggest_by_text(decided) if token.strict_error else None
        by_length = None if by_text else suggest_whole_signature(decided)
        by_secret = _find_other_reading(token, str(decided.header.algorithm), decided.keys.static)
        elsewhere = None if by_secret else _suggest_for_other_service(decided)
        if by_text or by_length or by_secret or elsewhere:
            return by_text or by_length or by_secret or elsewhere or ""
    issuer, cause = decided.claims.issuer, "Another key than this server's made the signature."
    if "*" not in policy.asap_accepted_issuers and issuer not in policy.asap_accepted_issuers:
        cause = "The token may be for another server, since its iss is not accepted here."
    if is_symmetric(str(decided.header.algorithm)):
        return f"{cause} Sign with exactly the app_secret (JWT_APP_SECRET) of this server."
    return f"{cause} Sign with the private key that belongs to this server's public key."


def _suggest_for_other_service(decided: DecidedRequest) -> str | None:
    """Return a suggestion for a token of JaaS, 8x8's service; None for any other token."""
    names = (decided.header.key_id, decided.claims.subject)
    is_jaas = any(isinstance(name, str) and name.startswith(_JAAS) for name in names)
    if not is_jaas or decided.claims.issuer != "chat":
        return None
    policy = decided.policy
    return (
        "This is a token for JaaS, the service of 8x8, and this is another server. Issue a token"
        f" for this server: signed with {policy.signature_algorithm}, and with the issuer"
        f" {quote_accepted(policy.asap_accepted_issuers)}."
    )


def _find_other_reading(
    token: Token, algorithm: str, keys: Sequence[VerificationKey]
) -> str | None:
    """Return the suggestion for a secret that made the signature in another reading.

    Args:
        token: A token with a wrong signature.
        algorithm: The accepted algorithm.
        keys: The keys that were tried. Only shared secrets have other readings.

    Returns:
        The suggestion; None if no reading fits.
    """
    for key in keys:
        if key.source != "secret":
            continue
        for suggestion, material in _read_otherwise(key.material):
            other = replace(key, material=material)
            if material and other.verify(algorithm, token.signing_input, token.signature):
                return suggestion
    return None


def _read_otherwise(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield _DECODED.format("base64"), _decode_base64(secret)
    yield _DECODED.format("hexadecimal"), _decode_hexadecimal(secret)
    for encoded in (base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        yield _ENCODED.format("base64"), encoded
        yield _ENCODED.format("base64"), encoded.rstrip(b"=")
    yield _ENCODED.format("hexadecimal"), secret.hex().encode()
    for trimmed in (secret.strip(), secret + b"\n", secret + b"\r\n"):
        yield _TRIMMED, trimmed


def _decode_base64(secret: bytes) -> bytes:
    standard = secret.strip().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        return b""


def _decode_hexadecimal(secret: bytes) -> bytes:
    try:
        return bytes.fromhex(secret.decode("ascii"))
    except ValueError:
        return b""

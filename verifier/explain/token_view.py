"""A token laid open for people: everything in it but the signature, judged by nobody.

What cannot be decoded is None, and a whole token is not needed: a cut one shows what is left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from verifier.rules.token import read_token
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import MalformedError, decode_object, parse_object


@dataclass(frozen=True, slots=True)
class TokenView:
    """What a token says.

    Attributes:
        header: The JOSE header; None where it cannot be decoded.
        claims: The payload; likewise.
        issued_at: Claim ``iat``, Unix seconds; None where it is absent or no number.
        not_before: Claim ``nbf``; likewise.
        expires: Claim ``exp``; likewise.
        moderator: Whether it would make its bearer a moderator.
        features: By name, whether the feature is on.
    """

    header: dict[str, Any] | None
    claims: dict[str, Any] | None
    issued_at: float | None
    not_before: float | None
    expires: float | None
    moderator: bool
    features: dict[str, bool]


def view_token(text: str) -> TokenView:
    """Lay a token open; whatever the text is, nothing raises."""
    header, claims = _decode(text)
    named = Claims(claims or {})
    return TokenView(
        header,
        claims,
        _time(named.raw.get("iat")),
        _time(named.not_before),
        named.expires_at,
        named.is_moderator,
        _features(named),
    )


def _decode(text: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    token = read_token(text)
    if not token.irregularity:
        return token.header, token.claims
    if token.refusal is None:
        return _strict(token.header), _strict(token.claims)
    first, *rest = text.encode("utf-8", "surrogatepass").split(b".")
    return _object(first), _object(rest[0]) if rest else None


def _object(segment: bytes) -> dict[str, Any] | None:
    try:
        return decode_object(segment)
    except MalformedError:
        return None


def _strict(value: dict[str, Any]) -> dict[str, Any] | None:
    """Give what was read leniently only if it can be written as JSON that every program reads."""
    try:
        return parse_object(json.dumps(value).encode())
    except (MalformedError, RecursionError):
        return None


def _time(value: Any) -> float | None:
    return value if is_number(value) else None


def _features(claims: Claims) -> dict[str, bool]:
    found = claims.session.get("jitsi_meet_context_features")
    if not isinstance(found, dict):
        return {}
    return {name: value is True or value == "true" for name, value in found.items()}

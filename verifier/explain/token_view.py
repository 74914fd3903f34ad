"""The decoded content of a token for display, without its signature and without a decision.

A part that cannot be decoded is None. A truncated token shows the parts that are left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from verifier.rules.token import read_compact
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import MalformedError, decode_object, parse_object


@dataclass(frozen=True, slots=True)
class TokenView:
    """The content of a token.

    Attributes:
        header: The JOSE header; None if it cannot be decoded.
        claims: The payload; None if it cannot be decoded.
        issued_at: Claim ``iat``, Unix seconds; None if it is absent or not a number.
        not_before: Claim ``nbf``, in the same way.
        expires: Claim ``exp``, in the same way.
        moderator: Whether the token would make its user a moderator.
        features: Whether each feature is on, by the feature's name.
    """

    header: dict[str, Any] | None
    claims: dict[str, Any] | None
    issued_at: float | None
    not_before: float | None
    expires: float | None
    moderator: bool
    features: dict[str, bool]


def view_token(text: str) -> TokenView:
    """Return the content of a token; no text makes this function raise."""
    header, payload = _decode(text)
    claims = Claims(payload or {})
    return TokenView(
        header,
        payload,
        _number(claims.raw.get("iat")),
        _number(claims.not_before),
        claims.expires_at,
        claims.is_moderator,
        _features(claims),
    )


def _decode(text: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    token = read_compact(text)
    if not token.strict_error:
        return dict(token.header.raw), token.claims
    if token.refusal is None:  # irregular, but Jitsi's lenient decoder reads it
        return _strict_json(dict(token.header.raw)), _strict_json(token.claims)
    first, *rest = text.encode("utf-8", "surrogatepass").split(b".")
    return _object(first), _object(rest[0]) if rest else None


def _object(segment: bytes) -> dict[str, Any] | None:
    try:
        return decode_object(segment)
    except MalformedError:
        return None


def _strict_json(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return an object that was read leniently; None if strict JSON cannot express it."""
    try:
        return parse_object(json.dumps(value).encode())
    except (MalformedError, RecursionError):
        return None


def _number(value: Any) -> float | None:
    return value if is_number(value) else None


def _features(claims: Claims) -> dict[str, bool]:
    found = claims.session.get("jitsi_meet_context_features")
    if not isinstance(found, dict):
        return {}
    return {name: value is True or value == "true" for name, value in found.items()}

"""Writes and signs tokens for tests and small deployments.

Signs with a shared secret only: a deployment with private keys has an issuer already.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_HASHES: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpec:
    """The claims that a token is to have; None leaves a claim out.

    Attributes:
        room: Claim ``room``: in the form that clients send, or ``*``.
        issuer: Claim ``iss``.
        audience: Claim ``aud``.
        subject: Claim ``sub``.
        lifetime: Seconds from now to its end.
        token_id: Claim ``jti``.
        user_id: ``context.user.id``; likewise the next two.
        user_name: ``context.user.name``.
        user_email: ``context.user.email``.
        moderator: Whether the token makes its user an owner of the room.
        features: Names in ``context.features`` that are true.
    """

    room: str
    issuer: str
    audience: str
    subject: str
    lifetime: int
    token_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    moderator: bool = False
    features: tuple[str, ...] = ()


def claims_of(spec: TokenSpec, now: float) -> dict[str, Any]:
    """Return the claims; ``now`` is Unix time, seconds."""
    user = {"id": spec.user_id, "name": spec.user_name, "email": spec.user_email}
    given: dict[str, Any] = {name: value for name, value in user.items() if value is not None}
    if spec.moderator:
        given |= {"moderator": True, "affiliation": "owner"}
    features = dict.fromkeys(spec.features, True)
    context = {name: value for name, value in (("user", given), ("features", features)) if value}
    claims = {
        "iss": spec.issuer,
        "aud": spec.audience,
        "sub": spec.subject,
        "room": spec.room,
        "iat": int(now),
        "exp": int(now) + spec.lifetime,
    }
    token_id = {} if spec.token_id is None else {"jti": spec.token_id}
    return claims | token_id | ({"context": context} if context else {})


def sign(
    claims: Mapping[str, Any], secret: bytes, algorithm: str, key_id: str | None = None
) -> str:
    """Return a compact token (RFC 7515, section 7.1).

    Args:
        claims: The payload.
        secret: The shared secret.
        algorithm: HS256, HS384 or HS512.
        key_id: Header parameter ``kid``, if any.

    Raises:
        ValueError: The algorithm is another one: this program has no private keys.
    """
    if algorithm not in _HASHES:
        raise ValueError("expected a shared secret and an HS algorithm")
    header = {"typ": "JWT", "alg": algorithm} | ({} if key_id is None else {"kid": key_id})
    signing_input = f"{_segment(header)}.{_segment(claims)}"
    signature = hmac.digest(secret, signing_input.encode(), _HASHES[algorithm])
    return f"{signing_input}.{_base64url(signature)}"


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

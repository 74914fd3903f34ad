"""Tokens for tests and small set-ups, with defaults that the deployment's own rules accept.

Signs with a shared secret alone: who holds private keys has an issuer already.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifier.keys.model import ALGORITHMS, VerificationKey
from verifier.rooms.address import ascii_lower
from verifier.rules.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpec:
    """What a token shall say; None leaves a claim out.

    Attributes:
        room: In the form that clients send, or ``*``.
        issuer: Claim ``iss``.
        audience: Claim ``aud``.
        subject: Claim ``sub``.
        lifetime: Seconds from now to its end.
        user_id: ``context.user.id``; likewise the next two.
        user_name: ``context.user.name``.
        user_email: ``context.user.email``.
        moderator: Whether the bearer becomes the room's owner.
        features: Names in ``context.features`` that are true.
    """

    room: str
    issuer: str
    audience: str
    subject: str
    lifetime: int
    user_id: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    moderator: bool = False
    features: tuple[str, ...] = ()


def default_issuer(policy: Policy, app_id: str) -> str:
    """Choose the first accepted issuer, or the application where any is accepted."""
    return next((name for name in policy.asap_accepted_issuers if name != "*"), app_id)


def default_audience(policy: Policy) -> str:
    """Choose the first accepted audience, or ``jitsi``, which most issuers write."""
    return next((name for name in policy.asap_accepted_audiences if name != "*"), "jitsi")


def default_subject(policy: Policy, tenant: str | None) -> str:
    """Choose the subject that opens rooms of this tenant, or the XMPP domain's, and no others.

    Args:
        policy: What is accepted.
        tenant: As it stands in the room's address; None for none.
    """
    if tenant is not None:
        return tenant
    base = policy.muc_mapper_domain_base
    if not policy.enable_domain_verification or base is None:
        return "*"
    # Where the MUC domain is not prefix and base, the rules let only the wildcard in.
    host = f"{policy.muc_mapper_domain_prefix}.{ascii_lower(base)}"
    return base if host == policy.muc_mapper_domain else "*"


def claims_of(order: TokenSpec, now: float) -> dict[str, Any]:
    """Write the claims; ``now`` is Unix time, seconds."""
    user = {"id": order.user_id, "name": order.user_name, "email": order.user_email}
    given: dict[str, Any] = {name: value for name, value in user.items() if value is not None}
    if order.moderator:
        given |= {"moderator": True, "affiliation": "owner"}
    features = dict.fromkeys(order.features, True)
    context = {name: value for name, value in (("user", given), ("features", features)) if value}
    claims = {
        "iss": order.issuer,
        "aud": order.audience,
        "sub": order.subject,
        "room": order.room,
        "iat": int(now),
        "exp": int(now) + order.lifetime,
    }
    return claims | ({"context": context} if context else {})


def sign(
    claims: Mapping[str, Any], key: VerificationKey, algorithm: str, key_id: str | None = None
) -> str:
    """Make a compact token (RFC 7515, section 7.1).

    Args:
        claims: The payload.
        key: A shared secret.
        algorithm: HS256, HS384 or HS512.
        key_id: Header parameter ``kid``, if any.

    Raises:
        ValueError: the key is none, or not for this algorithm.
    """
    if not isinstance(key.material, bytes) or algorithm not in key.algorithms:
        raise ValueError("expected a shared secret and an HS algorithm")
    header = {"typ": "JWT", "alg": algorithm} | ({} if key_id is None else {"kid": key_id})
    signing_input = f"{_segment(header)}.{_segment(claims)}"
    signature = ALGORITHMS[algorithm].sign(signing_input.encode(), key.material)
    return f"{signing_input}.{_base64url(signature)}"


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

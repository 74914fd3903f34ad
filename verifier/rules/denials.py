"""Jitsi's answer to each denial code, and the denials that are always the same.

This module decides nothing.
"""

from __future__ import annotations

from typing import Any, Final

from verifier.rules.model import DenialCode, Deny
from verifier.tokens import jws
from verifier.tokens.claims import ABSENT

ANSWERS: Final[dict[DenialCode, tuple[str | None, str | None]]] = {
    DenialCode.TOKEN_MISSING: ("not-allowed", "token required"),
    DenialCode.KEY_ID_MISSING: ("not-allowed", "'kid' claim is missing"),
    DenialCode.ALGORITHM_MISSING: ("not-allowed", "'alg' claim is missing"),
    DenialCode.ALGORITHM_NOT_ALLOWED: ("not-allowed", "Invalid or incorrect alg"),
    DenialCode.KEY_UNKNOWN: ("not-allowed", "could not obtain public key"),
    DenialCode.KEYS_UNAVAILABLE: ("not-allowed", "could not obtain public key"),
    DenialCode.TYPE_NOT_JWT: ("not-allowed", "Invalid typ"),
    DenialCode.SIGNATURE_INVALID: ("not-allowed", "Invalid signature"),
    DenialCode.EXPIRY_MALFORMED: ("not-allowed", "exp must be number"),
    DenialCode.NOT_BEFORE_MALFORMED: ("not-allowed", "nbf must be number"),
    DenialCode.TOKEN_EXPIRED: ("not-allowed", "Not acceptable by exp"),
    DenialCode.TOKEN_NOT_YET_VALID: ("not-allowed", "Not acceptable by nbf"),
    DenialCode.ISSUER_MISSING: ("not-allowed", "'iss' claim is missing"),
    DenialCode.ISSUER_NOT_ACCEPTED: ("not-allowed", "invalid 'iss' claim"),
    DenialCode.AUDIENCE_MISSING: ("not-allowed", "'aud' claim is missing"),
    DenialCode.AUDIENCE_NOT_ACCEPTED: ("not-allowed", "invalid 'aud' claim"),
    DenialCode.ROOM_CLAIM_MISSING: ("not-authorized", "room claim is missing"),
    DenialCode.SUBJECT_MISSING: ("not-authorized", "sub claim is missing"),
    DenialCode.ROOM_ADDRESS_INVALID: ("invalid-room-address", "Room address is invalid"),
    DenialCode.AUTHENTICATION_REQUIRED: ("authentication-required", "Authentication required"),
    DenialCode.SERVER_MISCONFIGURED: ("server-missing-config", "Misconfiguration of server"),
    # The last comparison of verify_room returns a bare `false` to its caller.
    DenialCode.ROOM_MISMATCH: (None, None),
    DenialCode.TENANT_MISMATCH: (None, None),
    DenialCode.DOMAIN_MISMATCH: (None, None),
    # Codes of this program only; their answers have the form of Jitsi's.
    DenialCode.POLICY_WILDCARD_ROOM: (
        "not-allowed",
        "tokens for every room are not accepted here",
    ),
    DenialCode.POLICY_WILDCARD_SUB: (
        "not-allowed",
        "tokens for every tenant are not accepted here",
    ),
    DenialCode.POLICY_ROOM_PATTERN: (
        "not-allowed",
        "tokens for rooms of a pattern are not accepted here",
    ),
    DenialCode.POLICY_TOKEN_LIFETIME: ("not-allowed", "the token is valid for too long"),
    DenialCode.POLICY_JTI_MISSING: ("not-allowed", "'jti' claim is missing"),
    DenialCode.POLICY_EXPIRY_MISSING: ("not-allowed", "'exp' claim is missing"),
    DenialCode.POLICY_USER_ID_MISSING: ("not-allowed", "the token names no user id"),
    DenialCode.POLICY_MODERATOR_REQUIRED: (
        "not-allowed",
        "only a moderator may open this room",
    ),
    DenialCode.TOKEN_ALREADY_USED: ("not-allowed", "token already used"),
}
"""What Jitsi's plugins answer (error, reason) for each code, if the code has one answer only."""

UNKNOWN_HOST: Final = Deny(DenialCode.DOMAIN_MISMATCH, "this host is not served here")
"""The request's host has no verifier, and ``strict_hosts`` is on."""

OVERLOADED: Final = Deny(DenialCode.OVERLOADED, "too many tokens wait for their signature check")
"""The request would wait too long for the check of its signature."""

REVOCATIONS_NOT_LOADED: Final = Deny(
    DenialCode.STORE_UNAVAILABLE, "the revocations have not been read yet"
)
"""The revocation store has not been read since the start, so that any token may be revoked."""

ALREADY_USED: Final = Deny(
    DenialCode.TOKEN_ALREADY_USED,
    "this token has opened its room before",
    *ANSWERS[DenialCode.TOKEN_ALREADY_USED],
)
"""The token may open its room once, and has opened it before."""

REDEMPTIONS_UNAVAILABLE: Final = Deny(
    DenialCode.STORE_UNAVAILABLE, "the store of used tokens does not answer"
)
"""The store of redemptions does not answer."""

NOT_REDEEMABLE: Final = Deny(DenialCode.CLAIM_MALFORMED, "expected jti and exp claims")
"""With single use, a token needs ``jti``, which identifies it, and ``exp``, its end."""

_UNITS: Final = (
    # From this many seconds on, this many seconds are one unit, and this is the unit's name.
    (730 * 86_400, 365 * 86_400, "years"),
    (172_800, 86_400, "days"),
    (7200, 3600, "h"),
    (120, 60, "min"),
    (0, 1, "s"),
)


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it contains at least two."""
    for least, unit, name in _UNITS:
        if seconds >= least:
            return f"{seconds / unit:,.0f} {name}"
    return "0 s"


def ambiguous(detail: str) -> Deny:
    """Return the denial of a request that two programs could read in two ways."""
    return Deny(DenialCode.AMBIGUOUS_REQUEST, detail)


def deny(  # noqa: PLR0913  # what a denial consists of
    code: DenialCode,
    detail: str,
    key_id: Any = None,
    reason: str | None = None,
    *,
    until: float | None = None,
    cause: str = "",
    figures: str = "",
) -> Deny:
    """Return a denial with Jitsi's answer to it.

    Args:
        code: Why.
        detail: What was expected and found; no part of the token.
        key_id: The token's ``kid``, of whatever JSON type it is.
        reason: Jitsi's words, if the code has several answers.
        until: When time alone changes this denial, Unix seconds.
        cause: Which of the code's causes it is.
        figures: What Jitsi writes in parentheses behind the reason.
    """
    error, usual = ANSWERS.get(code, ("not-allowed", None))
    known_id = key_id if isinstance(key_id, str) else None
    return Deny(code, detail, error, reason or usual, known_id, until, cause, figures)


def not_a(kind: str, name: str, value: Any) -> str:
    """Return the detail of a claim that is not of a kind, without quoting its value."""
    found = "none" if value is ABSENT else jws.json_type(value)
    return f"expected {name} to be a {kind}, found {found}"

"""The steps that the rules take, what Jitsi answers where one fails, and the words for both.

Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from verifier.rules import operator_policy
from verifier.rules.model import AccessRequest, DenialCode, Deny
from verifier.tokens import jws
from verifier.tokens.claims import ABSENT
from verifier.tokens.jws import Token

Recorder = Callable[[str, Any, Any], None]
"""Told of each step, before it is judged: its name, what is expected and what was found."""

RevocationCheck = Callable[[AccessRequest, Token | None, float, Recorder], Deny | None]
"""Refuses what has been taken back: a request, its token (None for a guest), the time, and whom to
tell of the step."""

STEPS: Final = (
    "token",
    "header",
    "key id",
    "algorithm family",
    "key",
    "form",
    "type",
    "algorithm",
    "signature",
    "expiry",
    "not before",
    "issuer",
    "audience",
    "room claim",
    "subject",
    "context",
    *operator_policy.STEPS,
    "revocation",
    "room address",
    "authentication",
    "room",
    "tenant",
    "domain",
    "claim types",
)
"""Every step's name, in the order in which they are taken."""

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
    # The last comparison of verify_room is a bare `false` to its caller.
    DenialCode.ROOM_MISMATCH: (None, None),
    DenialCode.TENANT_MISMATCH: (None, None),
    DenialCode.DOMAIN_MISMATCH: (None, None),
}
"""What Jitsi's plugins answer (error, reason) for each code, where one code has one answer."""


PRESENT: Final = {False: "a token", True: "none"}
REQUIRED: Final = {True: "present", False: "anything"}


def unrecorded(_step: str, _expected: Any, _found: Any) -> None:
    """Record nothing."""


def deny(code: DenialCode, detail: str, key_id: Any = None, reason: str | None = None) -> Deny:
    """Build a denial with Jitsi's answer to it; ``reason`` where one code has several."""
    error, usual = ANSWERS.get(code, ("not-allowed", None))
    return Deny(code, detail, error, reason or usual, key_id if isinstance(key_id, str) else None)


def not_a(kind: str, name: str, value: Any) -> str:
    """Say that a claim is not of a kind, without quoting it."""
    found = "none" if value is ABSENT else jws.json_type(value)
    return f"expected {name} to be a {kind}, found {found}"

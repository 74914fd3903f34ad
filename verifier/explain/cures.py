"""For each denial code, the one sentence on what to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from verifier.explain import claim_cures, policy_cures, room_cures, token_cures
from verifier.explain.evidence import Evidence
from verifier.explain.wording import moment
from verifier.rules.model import DenialCode, Deny


def ambiguity(_evidence: Evidence | None = None) -> str:
    """Two ways to read the request, whatever it is."""
    return (
        "Send every parameter once, one and the same token, and no prefix that differs from the"
        " path's tenant."
    )


def overload(_evidence: Evidence) -> str:
    """Not the token's fault; an explanation never waits."""
    return "Try again; if it lasts, see who sends so many tokens, and limit them in the proxy."


def revoked(evidence: Evidence) -> str:
    """The operator's own decision, which ends by itself."""
    ends = evidence.decision.until if isinstance(evidence.decision, Deny) else None
    until = "" if ends is None else f", or wait until {moment(ends)}"
    return f"Undo the revocation (jitsi-verifier revoke --undo){until}."


def used(_evidence: Evidence) -> str:
    """Not the token's fault; an explanation never asks who has used it."""
    return "Mint a new token, with a jti of its own, for each person and visit."


def unknown_revocations(_evidence: Evidence) -> str:
    """Nobody knows yet what has been taken back."""
    return "Try again; if it lasts, see what /readyz on the admin address says of the store."


CURES: Final[dict[DenialCode, Callable[[Evidence], str]]] = {
    DenialCode.AMBIGUOUS_REQUEST: ambiguity,
    DenialCode.TOKEN_MISSING: token_cures.missing_token,
    DenialCode.TOKEN_MALFORMED: token_cures.malformed_token,
    DenialCode.KEY_ID_MISSING: token_cures.missing_key_id,
    DenialCode.ALGORITHM_MISSING: token_cures.wrong_algorithm,
    DenialCode.ALGORITHM_NOT_ALLOWED: token_cures.wrong_algorithm,
    DenialCode.KEY_UNKNOWN: token_cures.unknown_key,
    DenialCode.KEYS_UNAVAILABLE: token_cures.unavailable_keys,
    DenialCode.TYPE_NOT_JWT: token_cures.wrong_type,
    DenialCode.SIGNATURE_INVALID: token_cures.wrong_signature,
    DenialCode.EXPIRY_MALFORMED: claim_cures.malformed_expiry,
    DenialCode.NOT_BEFORE_MALFORMED: claim_cures.malformed_beginning,
    DenialCode.TOKEN_EXPIRED: claim_cures.expired,
    DenialCode.TOKEN_NOT_YET_VALID: claim_cures.not_yet_valid,
    DenialCode.ISSUER_MISSING: claim_cures.issuer,
    DenialCode.ISSUER_NOT_ACCEPTED: claim_cures.issuer,
    DenialCode.AUDIENCE_MISSING: claim_cures.audience,
    DenialCode.AUDIENCE_NOT_ACCEPTED: claim_cures.audience,
    DenialCode.ROOM_CLAIM_MISSING: claim_cures.missing_room_claim,
    DenialCode.SUBJECT_MISSING: claim_cures.missing_subject,
    DenialCode.CLAIM_MALFORMED: claim_cures.malformed_claim,
    DenialCode.POLICY_WILDCARD_ROOM: policy_cures.wildcard_room,
    DenialCode.POLICY_WILDCARD_SUB: policy_cures.wildcard_subject,
    DenialCode.POLICY_ROOM_PATTERN: policy_cures.room_pattern,
    DenialCode.POLICY_TOKEN_LIFETIME: policy_cures.lifetime,
    DenialCode.POLICY_JTI_MISSING: policy_cures.token_id,
    DenialCode.POLICY_EXPIRY_MISSING: policy_cures.expiry,
    DenialCode.POLICY_USER_ID_MISSING: policy_cures.user_id,
    DenialCode.POLICY_MODERATOR_REQUIRED: policy_cures.moderator,
    DenialCode.REVOKED: revoked,
    DenialCode.ROOM_ADDRESS_INVALID: room_cures.room_address,
    DenialCode.AUTHENTICATION_REQUIRED: room_cures.authentication,
    DenialCode.ROOM_PATTERN_INVALID: room_cures.pattern,
    DenialCode.ROOM_MISMATCH: room_cures.room,
    DenialCode.TENANT_MISMATCH: room_cures.tenant,
    DenialCode.DOMAIN_MISMATCH: room_cures.domain,
    DenialCode.TOKEN_ALREADY_USED: used,
    DenialCode.SERVER_MISCONFIGURED: room_cures.misconfigured,
    DenialCode.OVERLOADED: overload,
    DenialCode.STORE_UNAVAILABLE: unknown_revocations,
}

"""The suggestion for each denial code: what to change so that the request is allowed.

A suggestion is a few plain words for an operator: first the cause, where the step's "expected" and
"found" do not show it already, then what to do. Suggestions never contain a token or a secret.

The first sentence of a suggestion is the cause; it stands alone at the top of an explanation. Where
one code has several causes, a suggestion is chosen by ``Deny.cause``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from verifier.explain import (
    claim_suggestions,
    form_suggestions,
    room_suggestions,
    time_suggestions,
    token_suggestions,
)
from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import format_time
from verifier.rules.model import DenialCode, Deny


def suggest_one_reading(_decided: DecidedRequest | None = None) -> str:
    """Suggest a request that has only one reading."""
    return (
        "The request can be read in two ways. Send every parameter once, one and the same token,"
        " and no prefix that differs from the"
        " path's tenant."
    )


def suggest_fewer_tokens(_decided: DecidedRequest) -> str:
    """Suggest a limit: the service had no time to check the signature."""
    return (
        "Too many tokens wait for the check of their signature. Try again. If this lasts, find the"
        " client that sends so many tokens, and limit its"
        " requests in the proxy."
    )


def suggest_undoing_revocation(decided: DecidedRequest) -> str:
    """Suggest to end the revocation, which an operator added."""
    ends = decided.decision.until if isinstance(decided.decision, Deny) else None
    until = "" if ends is None else f", or wait until {format_time(ends)}"
    return (
        "An operator revoked this token, its user or its room. Undo the revocation"
        f" (jitsi-verifier revoke --undo){until}."
    )


def suggest_new_token(_decided: DecidedRequest) -> str:
    """Suggest a new token under ``single_use``; an explanation itself never redeems a token."""
    return "The token was used before. Mint a new token with its own jti for each person and visit."


def suggest_checking_store(_decided: DecidedRequest) -> str:
    """Suggest to check the store: the service does not know the revocations yet."""
    return (
        "The store of revocations does not answer. Try again. If this lasts, check the state of"
        " the store in /readyz on the admin"
        " address."
    )


SUGGESTIONS: Final[dict[DenialCode, Callable[[DecidedRequest], str]]] = {
    DenialCode.AMBIGUOUS_REQUEST: suggest_one_reading,
    DenialCode.TOKEN_MISSING: token_suggestions.suggest_adding_token,
    DenialCode.TOKEN_MALFORMED: form_suggestions.suggest_token_form,
    DenialCode.KEY_ID_MISSING: token_suggestions.suggest_key_id,
    DenialCode.ALGORITHM_MISSING: token_suggestions.suggest_algorithm,
    DenialCode.ALGORITHM_NOT_ALLOWED: token_suggestions.suggest_algorithm,
    DenialCode.KEY_UNKNOWN: token_suggestions.suggest_key,
    DenialCode.KEYS_UNAVAILABLE: token_suggestions.suggest_reachable_keys,
    DenialCode.TYPE_NOT_JWT: token_suggestions.suggest_type,
    DenialCode.SIGNATURE_INVALID: token_suggestions.suggest_signing_key,
    DenialCode.EXPIRY_MALFORMED: time_suggestions.suggest_numeric_expiry,
    DenialCode.NOT_BEFORE_MALFORMED: time_suggestions.suggest_numeric_not_before,
    DenialCode.TOKEN_EXPIRED: time_suggestions.suggest_later_expiry,
    DenialCode.TOKEN_NOT_YET_VALID: time_suggestions.suggest_earlier_not_before,
    DenialCode.ISSUER_MISSING: claim_suggestions.suggest_issuer,
    DenialCode.ISSUER_NOT_ACCEPTED: claim_suggestions.suggest_issuer,
    DenialCode.AUDIENCE_MISSING: claim_suggestions.suggest_audience,
    DenialCode.AUDIENCE_NOT_ACCEPTED: claim_suggestions.suggest_audience,
    DenialCode.ROOM_CLAIM_MISSING: claim_suggestions.suggest_room_claim,
    DenialCode.SUBJECT_MISSING: claim_suggestions.suggest_subject,
    DenialCode.CLAIM_MALFORMED: claim_suggestions.suggest_claim_type,
    DenialCode.POLICY_WILDCARD_ROOM: claim_suggestions.suggest_one_room,
    DenialCode.POLICY_WILDCARD_SUB: claim_suggestions.suggest_one_tenant,
    DenialCode.POLICY_ROOM_PATTERN: claim_suggestions.suggest_room_name,
    DenialCode.POLICY_TOKEN_LIFETIME: claim_suggestions.suggest_shorter_lifetime,
    DenialCode.POLICY_JTI_MISSING: claim_suggestions.suggest_jti,
    DenialCode.POLICY_EXPIRY_MISSING: claim_suggestions.suggest_expiry,
    DenialCode.POLICY_USER_ID_MISSING: claim_suggestions.suggest_user_id,
    DenialCode.POLICY_MODERATOR_REQUIRED: claim_suggestions.suggest_moderator,
    DenialCode.REVOKED: suggest_undoing_revocation,
    DenialCode.ROOM_ADDRESS_INVALID: room_suggestions.suggest_room_address,
    DenialCode.AUTHENTICATION_REQUIRED: room_suggestions.suggest_authentication,
    DenialCode.ROOM_PATTERN_INVALID: room_suggestions.suggest_pattern,
    DenialCode.ROOM_MISMATCH: room_suggestions.suggest_room,
    DenialCode.TENANT_MISMATCH: room_suggestions.suggest_tenant,
    DenialCode.DOMAIN_MISMATCH: room_suggestions.suggest_domain,
    DenialCode.TOKEN_ALREADY_USED: suggest_new_token,
    DenialCode.SERVER_MISCONFIGURED: room_suggestions.suggest_domain_base,
    DenialCode.OVERLOADED: suggest_fewer_tokens,
    DenialCode.STORE_UNAVAILABLE: suggest_checking_store,
}

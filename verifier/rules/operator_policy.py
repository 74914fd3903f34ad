"""What this house asks of a token besides Jitsi: the ``[policy]`` table, all of it off by default.

Judges only what is good to Jitsi already, and can only refuse. Knows neither signatures nor rooms'
addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from verifier.rules.model import AccessRequest, DenialCode, Deny
from verifier.tokens.claims import ABSENT, Claims, is_number

Recorder: TypeAlias = Callable[[str, Any, Any], None]

STEPS: Final = (
    "policy: room",
    "policy: sub",
    "policy: pattern",
    "policy: lifetime",
    "policy: jti",
    "policy: expiry",
    "policy: user id",
    "policy: new room",
)
"""Every step's name, in the order in which they are taken; one that is not asked for is not."""

REASONS: Final[dict[DenialCode, str]] = {
    DenialCode.POLICY_WILDCARD_ROOM: "tokens for every room are not accepted here",
    DenialCode.POLICY_WILDCARD_SUB: "tokens for every tenant are not accepted here",
    DenialCode.POLICY_ROOM_PATTERN: "tokens for rooms of a pattern are not accepted here",
    DenialCode.POLICY_TOKEN_LIFETIME: "the token is valid for too long",
    DenialCode.POLICY_JTI_MISSING: "'jti' claim is missing",
    DenialCode.POLICY_EXPIRY_MISSING: "'exp' claim is missing",
    DenialCode.POLICY_USER_ID_MISSING: "the token names no user id",
    DenialCode.POLICY_MODERATOR_REQUIRED: "only a moderator may open this room",
}
"""What Prosody is told; the condition is always ``not-allowed``."""


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """The ``[policy]`` table, under its own names.

    Attributes:
        forbid_wildcard_room: Refuse tokens for every room: ``room`` is ``*``, or is not there.
        forbid_wildcard_sub: Refuse tokens for every tenant: ``sub`` is ``*``.
        forbid_room_patterns: Refuse tokens whose ``room`` is a pattern.
        max_token_lifetime: Longest lifetime, seconds; None for any, also an endless one.
        require_jti: Refuse tokens without ``jti``.
        require_expiry: Refuse tokens without ``exp``.
        require_user_id: Refuse tokens without ``context.user.id``.
        moderators_create_rooms: Let nobody but moderators open a room that nobody is in.
    """

    forbid_wildcard_room: bool = False
    forbid_wildcard_sub: bool = False
    forbid_room_patterns: bool = False
    max_token_lifetime: float | None = None
    require_jti: bool = False
    require_expiry: bool = False
    require_user_id: bool = False
    moderators_create_rooms: bool = False


def check_operator_policy(  # noqa: PLR0913, PLR0917  # what a verdict is made of, as in ``rules``
    operator_policy: OperatorPolicy,
    claims: Claims,
    request: AccessRequest,
    now: float,
    leeway: float,
    note: Recorder,
) -> Deny | None:
    """Judge a token that is good to Jitsi; None where the house has nothing against it."""
    return (
        _check_breadth(operator_policy, claims, note)
        or _check_lifetime(operator_policy, claims, now, leeway, note)
        or _check_names(operator_policy, claims, note)
        or check_new_room(operator_policy, request, note, moderator=claims.is_moderator)
    )


def _check_breadth(operator_policy: OperatorPolicy, claims: Claims, note: Recorder) -> Deny | None:
    """For how much a token is good, before it is asked for what."""
    if operator_policy.forbid_wildcard_room:
        note(STEPS[0], "the name of a room", claims.room)
        # Where the claim is optional, none opens as much as the wildcard.
        if claims.room is ABSENT or claims.room == "*":
            return _deny(DenialCode.POLICY_WILDCARD_ROOM, "expected room to name one room")
    if operator_policy.forbid_wildcard_sub:
        note(STEPS[1], "the name of a tenant or domain", claims.subject)
        if claims.subject == "*":
            return _deny(DenialCode.POLICY_WILDCARD_SUB, "expected sub to name one tenant")
    if operator_policy.forbid_room_patterns:
        found = f"the pattern {claims.room}" if claims.is_pattern else claims.room
        note(STEPS[2], "no pattern", found)
        if claims.is_pattern:
            detail = "expected room to be a name, found a pattern (context.room.regex)"
            return _deny(DenialCode.POLICY_ROOM_PATTERN, detail)
    return None


def _check_lifetime(
    operator_policy: OperatorPolicy, claims: Claims, now: float, leeway: float, note: Recorder
) -> Deny | None:
    """``exp - iat``, and never less than what is left: an ``iat`` to come makes no token shorter.

    Without ``iat`` only what is left can be judged, so that time may turn the verdict.
    """
    longest, expiry = operator_policy.max_token_lifetime, claims.expires_at
    if longest is None:
        return None
    issued = claims.issued_at
    lifetime = None if expiry is None else expiry - (now if issued is None else min(issued, now))
    note(STEPS[3], longest, lifetime)
    if lifetime is None or expiry is None:
        detail = f"expected an exp, at most {longest:g} s after iat"
        return _deny(DenialCode.POLICY_TOKEN_LIFETIME, detail)
    # The comparison is false for what is no number, too, which only lenient decoders read.
    if lifetime <= longest + leeway:
        return None
    by_time = issued is None or expiry - issued <= longest + leeway
    detail = f"expected at most {longest:g} s, found {lifetime:.0f} s"
    until = expiry - longest - leeway if by_time else None
    return _deny(DenialCode.POLICY_TOKEN_LIFETIME, detail, until)


def _check_names(operator_policy: OperatorPolicy, claims: Claims, note: Recorder) -> Deny | None:
    """What a token has to say, so that it can be taken back, ends, and belongs to somebody."""
    if operator_policy.require_jti:
        token_id = claims.token_id
        note(STEPS[4], "a string that is not empty", token_id)
        if not isinstance(token_id, str) or not token_id:
            return _deny(DenialCode.POLICY_JTI_MISSING, "expected jti to be a string, not empty")
    if operator_policy.require_expiry:
        note(STEPS[5], "a number of seconds", claims.expiry)
        if claims.expires_at is None:
            return _deny(DenialCode.POLICY_EXPIRY_MISSING, "expected an exp claim")
    if operator_policy.require_user_id:
        user_id = claims.user.get("id", ABSENT)
        note(STEPS[6], "a string that is not empty, or a number", user_id)
        if not is_number(user_id) and not (isinstance(user_id, str) and user_id.strip()):
            return _deny(DenialCode.POLICY_USER_ID_MISSING, "expected context.user.id")
    return None


def check_new_room(
    operator_policy: OperatorPolicy, request: AccessRequest, note: Recorder, *, moderator: bool
) -> Deny | None:
    """Keep a room that nobody is in for moderators; who asks has to know that nobody is."""
    if not operator_policy.moderators_create_rooms or not request.creates_room:
        return None
    note(STEPS[7], "a moderator", "a moderator" if moderator else "none")
    if moderator:
        return None
    return _deny(DenialCode.POLICY_MODERATOR_REQUIRED, "expected a moderator to open the room")


def _deny(code: DenialCode, detail: str, until: float | None = None) -> Deny:
    return Deny(code, detail, "not-allowed", REASONS[code], until=until)

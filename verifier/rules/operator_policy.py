"""Steps 17 to 24: the ``[policy]`` table, what an operator asks of a token in addition to Jitsi.

Every option is off by default. These steps see only what Jitsi would accept, and can only deny.
They know neither signatures nor room addresses. A step whose option is off is not recorded.
"""

from __future__ import annotations

from verifier.rules.denials import deny
from verifier.rules.model import AccessRequest, DenialCode, Deny, Recorder
from verifier.rules.policy import OperatorPolicy, Policy
from verifier.tokens.claims import ABSENT, Claims, is_number


def check_operator_policy(
    claims: Claims, policy: Policy, request: AccessRequest, now: float, record: Recorder
) -> Deny | None:
    """Take steps 17 to 24 for a token that Jitsi would accept."""
    options = policy.operator_policy
    if options is None:
        return None
    return (
        _check_breadth(options, claims, record)
        or _check_lifetime(options, claims, now, policy.leeway, record)
        or _check_presence(options, claims, record)
        or check_new_room(options, request, record, moderator=claims.is_moderator)
    )


def _check_breadth(options: OperatorPolicy, claims: Claims, record: Recorder) -> Deny | None:
    """Deny a token that is good for too many rooms or tenants."""
    # 17. policy: room. If the claim is optional, no claim opens as much as the wildcard.
    if options.forbid_wildcard_room:
        record("policy: room", "the name of a room", claims.room)
        if claims.room is ABSENT or claims.room == "*":
            return deny(DenialCode.POLICY_WILDCARD_ROOM, "expected room to name one room")
    # 18. policy: sub.
    if options.forbid_wildcard_sub:
        record("policy: sub", "the name of a tenant or domain", claims.subject)
        if claims.subject == "*":
            return deny(DenialCode.POLICY_WILDCARD_SUB, "expected sub to name one tenant")
    # 19. policy: pattern.
    if options.forbid_room_patterns:
        found = f"the pattern {claims.room}" if claims.is_pattern else claims.room
        record("policy: pattern", "no pattern", found)
        if claims.is_pattern:
            detail = "expected room to be a name, found a pattern (context.room.regex)"
            return deny(DenialCode.POLICY_ROOM_PATTERN, detail)
    return None


def _check_lifetime(
    options: OperatorPolicy, claims: Claims, now: float, leeway: float, record: Recorder
) -> Deny | None:
    """Deny a token whose lifetime is longer than ``max_token_lifetime``, seconds.

    The lifetime is ``exp - iat``, and never less than what is left until ``exp``, so that an
    ``iat`` in the future makes no token shorter. Without ``iat`` only what is left is known, so
    that the decision may change with time.
    """
    # 20. policy: lifetime.
    longest, expiry = options.max_token_lifetime, claims.expires_at
    if longest is None:
        return None
    issued = claims.issued_at
    lifetime = None if expiry is None else expiry - (now if issued is None else min(issued, now))
    record("policy: lifetime", longest, lifetime)
    if lifetime is None or expiry is None:
        detail = f"expected an exp, at most {longest:g} s after iat"
        return deny(DenialCode.POLICY_TOKEN_LIFETIME, detail)
    # NaN, which only lenient decoders read, makes this comparison false: such a token is denied.
    if lifetime <= longest + leeway:
        return None
    ends_by_time = issued is None or expiry - issued <= longest + leeway
    detail = f"expected at most {longest:g} s, found {lifetime:.0f} s"
    until = expiry - longest - leeway if ends_by_time else None
    return deny(DenialCode.POLICY_TOKEN_LIFETIME, detail, until=until)


def _check_presence(options: OperatorPolicy, claims: Claims, record: Recorder) -> Deny | None:
    """Deny a token without the claims that revocation, expiry or attribution need."""
    # 21. policy: jti.
    if options.require_jti:
        token_id = claims.token_id
        record("policy: jti", "a string that is not empty", token_id)
        if not isinstance(token_id, str) or not token_id:
            detail = "expected jti to be a string, not empty"
            return deny(DenialCode.POLICY_JTI_MISSING, detail)
    # 22. policy: expiry.
    if options.require_expiry:
        record("policy: expiry", "a number of seconds", claims.expiry)
        if claims.expires_at is None:
            return deny(DenialCode.POLICY_EXPIRY_MISSING, "expected an exp claim")
    # 23. policy: user id.
    if options.require_user_id:
        user_id = claims.user.get("id", ABSENT)
        record("policy: user id", "a string that is not empty, or a number", user_id)
        if not is_number(user_id) and not (isinstance(user_id, str) and user_id.strip()):
            return deny(DenialCode.POLICY_USER_ID_MISSING, "expected context.user.id")
    return None


def check_new_room(
    options: OperatorPolicy, request: AccessRequest, record: Recorder, *, moderator: bool
) -> Deny | None:
    """Deny creating a room, unless a moderator creates it.

    Only a request from Prosody says whether it creates the room.
    """
    # 24. policy: new room.
    if not options.moderators_create_rooms or not request.creates_room:
        return None
    record("policy: new room", "a moderator", "a moderator" if moderator else "none")
    if moderator:
        return None
    return deny(DenialCode.POLICY_MODERATOR_REQUIRED, "expected a moderator to open the room")

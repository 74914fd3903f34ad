"""Jitsi's verdict on a token and a room, read downwards in Jitsi's own order.

Follows jitsi/jitsi-meet ``resources/prosody-plugins`` as of late 2026: ``check_token`` is
``process_and_verify_token`` (``token/util.lib.lua``) and ``verify`` (``luajwtjitsi.lib.lua``),
``check_room`` is ``verify_room``. ``check_form`` is ours and last, so that it never hides one of
Jitsi's own answers: it refuses what upstream's Lua lets through, or crashes on, only because it
never looked. Where Lua would raise, this denies. What this house asks besides (``house_rules``) and
what was taken back stand between token and room; where the standards ask for more than Jitsi does,
each file asks ``strict_rules``.

What cannot be seen from beside Prosody: whether the room exists and what its owner configured
(``AccessRequest.room_exists`` and ``room_requires_authentication`` carry it where Prosody asks),
stanza preparation (the address is taken as it stands), and modules that change a session after
its token was verified.
"""

from __future__ import annotations

from dataclasses import replace

from verifier.keys.model import KeyLookup
from verifier.rules.model import (
    AccessRequest,
    Affiliation,
    Allow,
    Decision,
    DenialCode,
    Deny,
)
from verifier.rules.operator_policy import check_operator_policy
from verifier.rules.policy import Policy
from verifier.rules.room import ascii_lower, check_room
from verifier.rules.steps import ANSWERS, STEPS, Recorder, RevocationCheck, unrecorded
from verifier.rules.token import check_token, read_token
from verifier.rules.types import check_form
from verifier.tokens.claims import Claims, TokenHeader
from verifier.tokens.jws import Token

__all__ = [
    "ANSWERS",
    "STEPS",
    "Recorder",
    "RevocationCheck",
    "ascii_lower",
    "check_room",
    "check_token",
    "decide",
    "read_token",
]


def decide(  # noqa: PLR0913, PLR0917  # four things that a verdict is made of, three for its callers
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    note: Recorder = unrecorded,
    read: Token | None = None,
    revoked: RevocationCheck | None = None,
) -> Decision:
    """Judge one request.

    Args:
        request: The token and the room.
        policy: What this host accepts.
        keys: The keys at hand; a ``kid`` that is not among them is ``key-unknown``.
        now: Unix time, seconds.
        note: Told of each step, for explanations; whatever it raises ends the judging.
        read: The token, where it has been taken apart already (``read_token``).
        revoked: Refuses what has been taken back; None where nobody keeps such a list.

    Returns:
        The verdict. Nothing that a token or an address contains makes this raise.
    """
    token = check_token(request, policy, keys, now, note, read)
    if isinstance(token, Deny):
        return _taken_back(token, request, now, note, revoked) or token
    claims = None if token is None else Claims(token.claims)
    refused = None
    if policy.operator_policy is not None and claims is not None:
        refused = check_operator_policy(
            policy.operator_policy, claims, request, now, policy.leeway, note
        )
    # Behind the token, whose signature vouches for what it says; before the room, guests included.
    if refused is None and revoked is not None:
        refused = revoked(request, token, now, note)
    mismatch = refused or check_room(request, claims, policy, note)
    if isinstance(mismatch, Deny):
        return mismatch if token is None else _with_key_id(mismatch, token)
    if token is None or claims is None:
        return Allow()
    affiliation: Affiliation = "owner" if claims.is_moderator else "member"
    return check_form(token, claims, policy, note) or Allow(claims, affiliation, mismatch)


def _taken_back(
    refused: Deny,
    request: AccessRequest,
    now: float,
    note: Recorder,
    revoked: RevocationCheck | None,
) -> Deny | None:
    """Say of whoever has entered already that they were taken back, before that time has passed.

    Prosody lets them return after their token's end, but not after this.
    """
    may_return = request.admitted_before and refused.code is DenialCode.TOKEN_EXPIRED
    if revoked is None or request.token is None or not may_return:
        return None
    return revoked(request, read_token(request.token), now, note)


def _with_key_id(refused: Deny, token: Token) -> Deny:
    key_id = TokenHeader(token.header).key_id
    return replace(refused, key_id=key_id if isinstance(key_id, str) else None)

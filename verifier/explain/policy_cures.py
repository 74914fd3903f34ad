"""What to change about a token that is good to Jitsi, but not to this house."""

from __future__ import annotations

from verifier.explain.evidence import Evidence
from verifier.explain.wording import quoted, span
from verifier.rules.operator_policy import OperatorPolicy


def wildcard_room(evidence: Evidence) -> str:
    """``room`` is the wildcard, or is not there."""
    room = quoted(evidence.room) if evidence.room else "the room's name"
    return f"Set room to {room}: {_here('forbid_wildcard_room')} a token is for one room."


def wildcard_subject(evidence: Evidence) -> str:
    """``sub`` is the wildcard."""
    needed = evidence.needed_subject
    wanted = "the tenant, or the XMPP domain" if needed == "*" else quoted(needed)
    return f"Set sub to {wanted}: {_here('forbid_wildcard_sub')} a token is for one tenant."


def room_pattern(evidence: Evidence) -> str:
    """``room`` is a pattern."""
    room = quoted(evidence.room) if evidence.room else "the room's name"
    place = "leave context.room.regex out"
    return f"Set room to {room} and {place}: {_here('forbid_room_patterns')} rooms are named."


def lifetime(evidence: Evidence) -> str:
    """The token is valid for too long."""
    operator_policy = evidence.policy.operator_policy or OperatorPolicy()
    limit = operator_policy.max_token_lifetime or 0
    begins = ", and iat to when it is" if evidence.claims.issued_at is None else ""
    return (
        f"Set exp to at most {span(limit)} ({limit:g} s) after the token is issued{begins}"
        " (policy.max_token_lifetime)."
    )


def token_id(_evidence: Evidence) -> str:
    """No ``jti``."""
    return f"Put jti into the token, a string of its own: {_here('require_jti')} it must be there."


def expiry(_evidence: Evidence) -> str:
    """No ``exp``."""
    return f"Put exp into the token, in seconds since 1970: {_here('require_expiry')} it must end."


def user_id(_evidence: Evidence) -> str:
    """No ``context.user.id``."""
    return (
        "Put the user's id into the token, as id within context.user:"
        f" {_here('require_user_id')} it must say whose it is."
    )


def moderator(_evidence: Evidence) -> str:
    """Nobody is in the room, and this is no moderator."""
    return (
        "Let a moderator open the room first, or make this user one: moderator: true within"
        f" context.user; {_here('moderators_create_rooms')} others only join."
    )


def _here(option: str) -> str:
    return f"under policy.{option}"

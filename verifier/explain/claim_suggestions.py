"""What to change about the claims that say when, from whom and for whom a token is."""

from __future__ import annotations

import re
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import MILLISECONDS, moment, one_of, or_wildcard, quoted, span
from verifier.rules.policy import OperatorPolicy
from verifier.tokens.claims import ABSENT, is_number

_SKEW: Final = 600
_LONGEST_LIFETIME: Final = 100_000_000
"""An ``exp`` of less than this many seconds (the year 1973) is a lifetime."""


def suggest_numeric_expiry(decided: DecidedRequest) -> str:
    """``exp`` is no number."""
    return _a_number("exp", decided.claims.expiry)


def suggest_numeric_not_before(decided: DecidedRequest) -> str:
    """``nbf`` is no number."""
    return _a_number("nbf", decided.claims.not_before)


def _a_number(name: str, value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return f'Write {name} as a number, {value}, and not as the string "{value}".'
    if isinstance(value, str):
        return f"Write {name} as a number of seconds since 1970, and not as a string."
    return f"Write {name} as a number of seconds since 1970, or leave it out."


def suggest_later_expiry(decided: DecidedRequest) -> str:
    """``exp`` is past."""
    expiry = decided.claims.expires_at or 0
    if 0 <= expiry < _LONGEST_LIFETIME:
        return (
            f"Write exp as a moment, in seconds since 1970: {expiry} is {moment(expiry)}; a"
            " lifetime has to be added to the present time."
        )
    ago = span(decided.now - expiry)
    cure = f"Issue a new token: this one expired {ago} ago, at {moment(expiry)}"
    if decided.now - expiry > _SKEW:
        return f"{cure}."
    return f"{cure}; if it should still be valid, set both clocks right, for Jitsi has no leeway."


def suggest_earlier_not_before(decided: DecidedRequest) -> str:
    """``nbf`` is to come."""
    beginning = decided.claims.not_before
    if beginning > MILLISECONDS:
        return f"Write nbf in seconds: {beginning} looks like milliseconds; divide it by 1000."
    ahead = beginning - decided.now
    if ahead > _SKEW:
        return f"Wait until {moment(beginning)}, {span(ahead)} from now, or set nbf earlier."
    return (
        f"Set both clocks right, or nbf a minute back: the token is valid in {span(ahead)}, and"
        " Jitsi has no leeway for clock skew."
    )


def suggest_issuer(decided: DecidedRequest) -> str:
    """``iss`` is missing or not accepted."""
    accepted, found = decided.policy.asap_accepted_issuers, decided.claims.issuer
    wanted = "any string" if "*" in accepted else one_of(accepted)
    if found is ABSENT:
        return f"Put iss into the token: {wanted}."
    if not isinstance(found, str):
        return f"Write iss as one string: {wanted}."
    return (
        f"Set iss to {wanted}{_near(found, accepted)}: the token is from {quoted(found)}, another"
        " issuer; or accept that one by asap_accepted_issuers (JWT_ACCEPTED_ISSUERS)."
    )


def suggest_audience(decided: DecidedRequest) -> str:
    """``aud`` is missing or not accepted."""
    accepted, found = decided.policy.asap_accepted_audiences, decided.claims.audience
    wanted = "any string" if "*" in accepted else one_of(accepted)
    if found is ABSENT:
        return f"Put aud into the token: {wanted}."
    if decided.policy.strict and not _is_audience(found):
        return f"Write aud as one string, or a list of strings that is not empty: {wanted}."
    if isinstance(found, list) and decided.policy.strict:
        return f"Put one of what is accepted into the list in aud: {wanted}."
    if isinstance(found, list):
        return (
            f"Write aud as one string, {wanted}: Jitsi compares a list with no string. Keycloak"
            ' writes a list as soon as there are two audiences, so drop the others ("account"'
            " comes with the roles scope), or accept any audience: asap_accepted_audiences"
            ' (JWT_ACCEPTED_AUDIENCES) = "*".'
        )
    if not isinstance(found, str):
        return f"Write aud as one string: {wanted}."
    if found == "*":
        return f'Set aud to {wanted}: "*" stands for every audience only in the configuration.'
    return (
        f"Set aud to {wanted}{_near(found, accepted)}, or accept {quoted(found)} by"
        " asap_accepted_audiences (JWT_ACCEPTED_AUDIENCES)."
    )


def _is_audience(found: Any) -> bool:
    """Tell whether a value is what RFC 7519 lets aud be."""
    named = [found] if isinstance(found, str) else found
    return isinstance(named, list) and bool(named) and all(isinstance(one, str) for one in named)


def _near(found: str, accepted: tuple[str, ...]) -> str:
    """Say so where only letter case, blanks or a slash at the end differ."""
    return ", to the letter" if _folded(found) in map(_folded, accepted) else ""


def _folded(text: str) -> str:
    return text.strip().rstrip("/").lower()


def suggest_room_claim(decided: DecidedRequest) -> str:
    """``room`` is missing."""
    room = or_wildcard(decided.room or "the room's name")
    place = ""
    if decided.claims.context_room is not ABSENT:
        place = ", beside context and not in it"
    return (
        f"Put room into the token{place}: {room} for every room; without it tokens pass only"
        " under asap_require_room_claim = false (JWT_REQUIRE_ROOM_CLAIM)."
    )


def suggest_subject(decided: DecidedRequest) -> str:
    """``sub`` is missing."""
    wanted = or_wildcard(decided.needed_subject)
    return f"Put sub into the token, which Jitsi always asks for: {wanted}."


def suggest_claim_type(decided: DecidedRequest) -> str:
    """A claim has a type that Jitsi's modules do not expect."""
    claims, detail = decided.claims, decided.detail
    if decided.step == "context":
        return "Put context into the token: this session demands it."
    if claims.room == "":
        return f"Name the room in room: {or_wildcard(decided.room or '*')} for every room."
    if is_number(claims.room) and "room" in detail:
        return f'Write room as the string "{claims.room}", not as a number.'
    place = "header" if "kid" in detail else "payload"
    return f"Mend the token's {place}: {detail}."


def suggest_one_room(decided: DecidedRequest) -> str:
    """``room`` is the wildcard, or is not there."""
    room = quoted(decided.room) if decided.room else "the room's name"
    return f"Set room to {room}: {_here('forbid_wildcard_room')} a token is for one room."


def suggest_one_tenant(decided: DecidedRequest) -> str:
    """``sub`` is the wildcard."""
    needed = decided.needed_subject
    wanted = "the tenant, or the XMPP domain" if needed == "*" else quoted(needed)
    return f"Set sub to {wanted}: {_here('forbid_wildcard_sub')} a token is for one tenant."


def suggest_room_name(decided: DecidedRequest) -> str:
    """``room`` is a pattern."""
    room = quoted(decided.room) if decided.room else "the room's name"
    place = "leave context.room.regex out"
    return f"Set room to {room} and {place}: {_here('forbid_room_patterns')} rooms are named."


def suggest_shorter_lifetime(decided: DecidedRequest) -> str:
    """The token is valid for too long."""
    operator_policy = decided.policy.operator_policy or OperatorPolicy()
    limit = operator_policy.max_token_lifetime or 0
    begins = ", and iat to when it is" if decided.claims.issued_at is None else ""
    return (
        f"Set exp to at most {span(limit)} ({limit:g} s) after the token is issued{begins}"
        " (policy.max_token_lifetime)."
    )


def suggest_jti(_decided: DecidedRequest) -> str:
    """No ``jti``."""
    return f"Put jti into the token, a string of its own: {_here('require_jti')} it must be there."


def suggest_expiry(_decided: DecidedRequest) -> str:
    """No ``exp``."""
    return f"Put exp into the token, in seconds since 1970: {_here('require_expiry')} it must end."


def suggest_user_id(_decided: DecidedRequest) -> str:
    """No ``context.user.id``."""
    return (
        "Put the user's id into the token, as id within context.user:"
        f" {_here('require_user_id')} it must say whose it is."
    )


def suggest_moderator(_decided: DecidedRequest) -> str:
    """Nobody is in the room, and this is no moderator."""
    return (
        "Let a moderator open the room first, or make this user one: moderator: true within"
        f" context.user; {_here('moderators_create_rooms')} others only join."
    )


def _here(option: str) -> str:
    return f"under policy.{option}"

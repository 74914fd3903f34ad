"""What to change about the claims that say when, from whom and for whom a token is."""

from __future__ import annotations

import re
from typing import Any, Final

from verifier.explain.evidence import Evidence
from verifier.explain.wording import MILLISECONDS, moment, one_of, or_wildcard, quoted, span
from verifier.tokens.claims import ABSENT, is_number

_SKEW: Final = 600
_LONGEST_LIFETIME: Final = 100_000_000
"""An ``exp`` of less than this many seconds (the year 1973) is a lifetime."""


def malformed_expiry(evidence: Evidence) -> str:
    """``exp`` is no number."""
    return _a_number("exp", evidence.claims.expiry)


def malformed_beginning(evidence: Evidence) -> str:
    """``nbf`` is no number."""
    return _a_number("nbf", evidence.claims.not_before)


def _a_number(name: str, value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return f'Write {name} as a number, {value}, and not as the string "{value}".'
    if isinstance(value, str):
        return f"Write {name} as a number of seconds since 1970, and not as a string."
    return f"Write {name} as a number of seconds since 1970, or leave it out."


def expired(evidence: Evidence) -> str:
    """``exp`` is past."""
    expiry = evidence.claims.expires_at or 0
    if 0 <= expiry < _LONGEST_LIFETIME:
        return (
            f"Write exp as a moment, in seconds since 1970: {expiry} is {moment(expiry)}; a"
            " lifetime has to be added to the present time."
        )
    ago = span(evidence.now - expiry)
    cure = f"Issue a new token: this one expired {ago} ago, at {moment(expiry)}"
    if evidence.now - expiry > _SKEW:
        return f"{cure}."
    return f"{cure}; if it should still be valid, set both clocks right, for Jitsi has no leeway."


def not_yet_valid(evidence: Evidence) -> str:
    """``nbf`` is to come."""
    beginning = evidence.claims.not_before
    if beginning > MILLISECONDS:
        return f"Write nbf in seconds: {beginning} looks like milliseconds; divide it by 1000."
    ahead = beginning - evidence.now
    if ahead > _SKEW:
        return f"Wait until {moment(beginning)}, {span(ahead)} from now, or set nbf earlier."
    return (
        f"Set both clocks right, or nbf a minute back: the token is valid in {span(ahead)}, and"
        " Jitsi has no leeway for clock skew."
    )


def issuer(evidence: Evidence) -> str:
    """``iss`` is missing or not accepted."""
    accepted, found = evidence.policy.asap_accepted_issuers, evidence.claims.issuer
    wanted = "any string" if "*" in accepted else one_of(accepted)
    if found is ABSENT:
        return f"Put iss into the token: {wanted}."
    if not isinstance(found, str):
        return f"Write iss as one string: {wanted}."
    return (
        f"Set iss to {wanted}{_near(found, accepted)}: the token is from {quoted(found)}, another"
        " issuer; or accept that one by asap_accepted_issuers (JWT_ACCEPTED_ISSUERS)."
    )


def audience(evidence: Evidence) -> str:
    """``aud`` is missing or not accepted."""
    accepted, found = evidence.policy.asap_accepted_audiences, evidence.claims.audience
    wanted = "any string" if "*" in accepted else one_of(accepted)
    if found is ABSENT:
        return f"Put aud into the token: {wanted}."
    if evidence.policy.strict and not _is_audience(found):
        return f"Write aud as one string, or a list of strings that is not empty: {wanted}."
    if isinstance(found, list) and evidence.policy.strict:
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


def missing_room_claim(evidence: Evidence) -> str:
    """``room`` is missing."""
    room = or_wildcard(evidence.room or "the room's name")
    place = ""
    if evidence.claims.context_room is not ABSENT:
        place = ", beside context and not in it"
    return (
        f"Put room into the token{place}: {room} for every room; without it tokens pass only"
        " under asap_require_room_claim = false (JWT_REQUIRE_ROOM_CLAIM)."
    )


def missing_subject(evidence: Evidence) -> str:
    """``sub`` is missing."""
    wanted = or_wildcard(evidence.needed_subject)
    return f"Put sub into the token, which Jitsi always asks for: {wanted}."


def malformed_claim(evidence: Evidence) -> str:
    """A claim has a type that Jitsi's modules do not expect."""
    claims, detail = evidence.claims, evidence.detail
    if evidence.step == "context":
        return "Put context into the token: this session demands it."
    if claims.room == "":
        return f"Name the room in room: {or_wildcard(evidence.room or '*')} for every room."
    if is_number(claims.room) and "room" in detail:
        return f'Write room as the string "{claims.room}", not as a number.'
    place = "header" if "kid" in detail else "payload"
    return f"Mend the token's {place}: {detail}."

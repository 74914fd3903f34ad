"""Suggestions about the claims of a token: its times, issuer, audience and ``[policy]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.misplaced import describe_missing, describe_missing_in_user
from verifier.explain.wording import (
    MILLISECONDS,
    format_time,
    quote,
    quote_accepted,
    quote_or_wildcard,
)
from verifier.rules.denials import format_duration
from verifier.rules.policy import OperatorPolicy
from verifier.rules.token import CONTEXT_REQUIRED
from verifier.tokens.claims import ABSENT, is_number
from verifier.tokens.jws import json_type

_CLOCK_SKEW: Final = 600
"""A difference of at most this many seconds may come from a wrong clock."""
_LONGEST_LIFETIME: Final = 100_000_000
"""An ``exp`` below this number (the year 1973) is a lifetime in seconds, not a point in time."""


def suggest_numeric_expiry(decided: DecidedRequest) -> str:
    """Suggest a number for ``exp``."""
    return _suggest_number("exp", decided.claims.expiry)


def suggest_numeric_not_before(decided: DecidedRequest) -> str:
    """Suggest a number for ``nbf``."""
    return _suggest_number("nbf", decided.claims.not_before)


def _suggest_number(name: str, value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return (
            f"The claim {name} is a string. Write {name} as a number, {value}, and not as"
            f' "{value}".'
        )
    if isinstance(value, str):
        return (
            f"The claim {name} is a string. Write {name} as a number of seconds since 1970, and"
            " not as a"
            " string."
        )
    return (
        f"The claim {name} is {quote(value)}, and no number. Write {name} as a number of seconds"
        " since 1970, or leave it out."
    )


def suggest_later_expiry(decided: DecidedRequest) -> str:
    """Suggest a new token, or the correct form of ``exp``."""
    expiry = decided.claims.expires_at or 0
    if 0 <= expiry < _LONGEST_LIFETIME:
        return (
            f"The claim exp is a time, but {expiry} looks like a lifetime: as a time it is"
            f" {format_time(expiry)}. Add the lifetime to the present time, in seconds since 1970."
        )
    ago = format_duration(decided.now - expiry)
    expired = f"The token expired {ago} ago, at {format_time(expiry)}. Issue a new token."
    if decided.now - expiry > _CLOCK_SKEW:
        return expired
    return f"{expired} If it should still be valid, correct both clocks: Jitsi has no leeway."


def suggest_earlier_not_before(decided: DecidedRequest) -> str:
    """Suggest to wait, or the correct form of ``nbf``."""
    not_before = decided.claims.not_before
    if not_before > MILLISECONDS:
        return (
            f"The claim nbf, {not_before}, looks like milliseconds, and Jitsi reads seconds. Divide"
            " it by 1000."
        )
    ahead = not_before - decided.now
    if ahead > _CLOCK_SKEW:
        return (
            f"The token is not valid yet: its nbf is {format_duration(ahead)} from now. Wait until"
            f" {format_time(not_before)}, or set nbf earlier."
        )
    return (
        f"The token becomes valid in {format_duration(ahead)}, and Jitsi has no leeway for clock"
        " skew. Correct both clocks, or set nbf one minute earlier."
    )


def suggest_issuer(decided: DecidedRequest) -> str:
    """Suggest an accepted ``iss``."""
    accepted, found = decided.policy.asap_accepted_issuers, decided.claims.issuer
    wanted = "any string" if "*" in accepted else quote_accepted(accepted)
    if found is ABSENT:
        return f"{_missing('iss', decided)} Put iss at the top level of the token: {wanted}."
    if not isinstance(found, str):
        return f"The claim iss is {json_type(found)}. Write iss as one string: {wanted}."
    spelling = _hint_at_spelling(found, accepted)
    cause = "The issuer is written as" if spelling else "The token comes from another issuer,"
    return (
        f"{cause} {quote(found)}. Set iss to {wanted}{spelling}, or add {quote(found)} to"
        " asap_accepted_issuers (JWT_ACCEPTED_ISSUERS)."
    )


def suggest_audience(decided: DecidedRequest) -> str:
    """Suggest an accepted ``aud``."""
    policy, found = decided.policy, decided.claims.audience
    accepted = policy.asap_accepted_audiences
    wanted = "any string" if "*" in accepted else quote_accepted(accepted)
    if found is ABSENT:
        return f"{_missing('aud', decided)} Put aud at the top level of the token: {wanted}."
    if policy.strict and not _is_audience(found):
        return (
            "The claim aud is no string, and no list of strings. Write aud as one string, or as a"
            " list of"
            f" strings that is not empty: {wanted}."
        )
    if isinstance(found, list) and policy.strict:
        return f"No name in aud is accepted. Add an accepted audience to the list in aud: {wanted}."
    if isinstance(found, list):
        return (
            "The claim aud is a list, which Jitsi accepts only if it accepts any audience. Write"
            f" aud as one string, {wanted}. Keycloak writes a list as soon as a token has two"
            ' audiences, so remove the others ("account" comes with the roles scope), or accept any'
            ' audience: asap_accepted_audiences (JWT_ACCEPTED_AUDIENCES) = "*".'
        )
    if not isinstance(found, str):
        return f"The claim aud is {json_type(found)}. Write aud as one string: {wanted}."
    if found == "*":
        return f'The value "*" means every audience only in the configuration. Set aud to {wanted}.'
    return (
        f"The token is for another audience, {quote(found)}. Set aud to"
        f" {wanted}{_hint_at_spelling(found, accepted)}, or add {quote(found)} to"
        " asap_accepted_audiences (JWT_ACCEPTED_AUDIENCES)."
    )


def _is_audience(found: Any) -> bool:
    """Return whether RFC 7519 allows the value as ``aud``."""
    names = [found] if isinstance(found, str) else found
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)


def _hint_at_spelling(found: str, accepted: tuple[str, ...]) -> str:
    """Return a hint if the value is accepted apart from letter case, blanks or a final slash."""
    return ", to the letter" if _fold(found) in map(_fold, accepted) else ""


def _fold(text: str) -> str:
    return text.strip().rstrip("/").lower()


def suggest_room_claim(decided: DecidedRequest) -> str:
    """Suggest a ``room`` claim."""
    position = ""
    if decided.claims.context_room is not ABSENT:
        position = ", beside context and not in it"
    return (
        f"{_missing('room', decided)} Put room at the top level of the token{position}:"
        f' {_quote_room(decided)}, or "*" for every room. Tokens'
        " without room pass only with asap_require_room_claim = false (JWT_REQUIRE_ROOM_CLAIM)."
    )


def suggest_subject(decided: DecidedRequest) -> str:
    """Suggest a ``sub`` claim."""
    wanted = quote_or_wildcard(decided.needed_subject)
    return (
        f"{_missing('sub', decided)} Put sub at the top level of the token, where Jitsi always"
        f" requires it: {wanted}."
    )


def suggest_claim_type(decided: DecidedRequest) -> str:
    """Suggest the type that Jitsi's modules expect of a claim."""
    claims, cause = decided.claims, decided.cause
    if cause == CONTEXT_REQUIRED:
        missing = _missing("context", decided)
        return f"{missing} This session requires context. Put context into the token."
    if claims.room == "":
        return (
            f"The claim room is empty. Name the room in the claim room, {_quote_room(decided)}, or"
            ' write "*" for every room.'
        )
    if is_number(claims.room) and cause == "room":
        return (
            f'The claim room is a number. Write room as the string "{claims.room}", not as a'
            " number."
        )
    part = "header" if cause == "kid" else "payload"
    return _suggest_object(decided) or (
        f"{_the_claim(cause)} has the wrong type. Correct the token's {part}: {decided.detail}."
    )


def _suggest_object(decided: DecidedRequest) -> str | None:
    """Return a suggestion for a list in the place of an object; None for another value."""
    *path, last = decided.cause.split(".")
    if last not in ("context", "user", "features", "room") or decided.cause == "room":
        return None
    holder = decided.claims.context if path else decided.claims.raw
    found = holder.get(last) if isinstance(holder, Mapping) else None
    if found == []:
        return (
            f"The claim {decided.cause} is an empty list, and strict rules require an object."
            f" Write {{}}; in"
            " PHP: (object) []."
        )
    if not isinstance(found, list):
        return None
    cure = f"Take the square brackets away, so that {decided.cause} is an object."
    if last == "features":
        names = [item for item in found if isinstance(item, str)]
        example = quote(dict.fromkeys(names[:3] or ["recording"], True))
        cure = f"Write features as an object: {example}."
    return f"The claim {decided.cause} is a list, and Jitsi reads an object there. {cure}"


def _the_claim(name: str) -> str:
    return f"The claim {name}" if name else "A claim"


def _missing(name: str, decided: DecidedRequest) -> str:
    return describe_missing(name, decided.claims, decided.header.raw)


def suggest_one_room(decided: DecidedRequest) -> str:
    """Suggest a room's name instead of the wildcard or of no claim."""
    return (
        "The option policy.forbid_wildcard_room requires a token for one room. Set room to"
        f" {_quote_room(decided)}."
    )


def suggest_one_tenant(decided: DecidedRequest) -> str:
    """Suggest a tenant or domain instead of the wildcard."""
    needed = decided.needed_subject
    wanted = "the tenant, or the XMPP domain" if needed == "*" else quote(needed)
    return (
        "The option policy.forbid_wildcard_sub requires a token for one tenant. Set sub to"
        f" {wanted}."
    )


def suggest_room_name(decided: DecidedRequest) -> str:
    """Suggest a room's name instead of a pattern."""
    return (
        "The option policy.forbid_room_patterns forbids patterns. Set room to"
        f" {_quote_room(decided)}, and leave context.room.regex out."
    )


def _quote_room(decided: DecidedRequest) -> str:
    return quote(decided.room) if decided.room else "the room's name"


def suggest_shorter_lifetime(decided: DecidedRequest) -> str:
    """Suggest an earlier ``exp``."""
    operator_policy = decided.policy.operator_policy or OperatorPolicy()
    limit = operator_policy.max_token_lifetime or 0
    # Without iat the rules can only measure from now to exp.
    issued_at = ", and iat to the time of issue" if decided.claims.issued_at is None else ""
    return (
        "The token is valid for longer than policy.max_token_lifetime. Set exp to at most"
        f" {format_duration(limit)} ({limit:g} s) after the token is issued{issued_at}."
    )


def suggest_jti(decided: DecidedRequest) -> str:
    """Suggest a ``jti`` claim."""
    return (
        f"{_missing('jti', decided)} The option policy.require_jti requires it. Put jti into the"
        " token, another string for each token."
    )


def suggest_expiry(decided: DecidedRequest) -> str:
    """Suggest an ``exp`` claim."""
    return (
        f"{_missing('exp', decided)} The option policy.require_expiry requires tokens that end. Put"
        " exp into the token, in seconds since 1970."
    )


def suggest_user_id(decided: DecidedRequest) -> str:
    """Suggest a ``context.user.id`` claim."""
    place = describe_missing_in_user("id", decided.claims)
    return (
        f"{place or 'The token names no user id.'} The option policy.require_user_id requires the"
        " user's id. Put the id into the token, as id within context.user."
    )


def suggest_moderator(decided: DecidedRequest) -> str:
    """Suggest a moderator: the room is empty, and the token's user is no moderator."""
    cause = describe_missing_in_user("moderator", decided.claims)
    return (
        f"{cause or 'The token makes no moderator, and the room is empty.'} With"
        " policy.moderators_create_rooms only a moderator may open an empty room. Let a"
        " moderator open the room first, or make this user a moderator: moderator: true within"
        " context.user."
    )

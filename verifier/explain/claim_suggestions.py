"""Suggestions about the claims of a token: its issuer, audience and ``[policy]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.misplaced import describe_missing, describe_missing_in_user
from verifier.explain.wording import (
    quote,
    quote_accepted,
    quote_or_wildcard,
)
from verifier.rules.denials import format_duration
from verifier.rules.policy import OperatorPolicy
from verifier.rules.token import CONTEXT_REQUIRED
from verifier.tokens.claims import ABSENT, is_number
from verifier.tokens.jws import json_type


def suggest_issuer(decided: DecidedRequest) -> str:
    """Suggest an accepted ``iss``."""
    accepted, found = decided.policy.asap_accepted_issuers, decided.claims.issuer
    wanted = "any string" if "*" in accepted else quote_accepted(accepted)
    if found is ABSENT:
        return f"{_missing('iss', decided)} Put iss at the top level of the token: {wanted}."
    if not isinstance(found, str):
        return f"The claim iss is {json_type(found)}. Write iss as one string: {wanted}."
    audience = decided.claims.audience
    if found in decided.policy.asap_accepted_audiences and audience in accepted:
        return (
            f"The claims iss and aud have changed places. Set iss to {quote(audience)}, and aud to"
            f" {quote(found)}."
        )
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
    """Return a suggestion for a list or JSON text in the place of an object; else None."""
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
    if isinstance(found, str) and found.lstrip().startswith(("{", "[")):
        return (
            f"The claim {decided.cause} is a string with JSON in it: it was encoded as JSON twice."
            f" Put the object itself into the token, as {decided.cause}."
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
    if decided.token is not None and not decided.claims.raw and decided.token.strict_error:
        return "The token's payload is no JSON object, so that it has no claims."
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

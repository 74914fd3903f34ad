"""Suggestions about the room, the tenant and the domain of a token and of an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import format_value, plain, quote, quote_or_wildcard
from verifier.rooms.address import ascii_lower, room_name
from verifier.rooms.patterns import TOO_COMPLEX, TOO_LONG
from verifier.rules.room import (
    CONTEXT_TENANT,
    NOT_PREPARED,
    PATTERNS_DISABLED,
    ROOM_IS_OPTIONAL,
    match_room_claim,
)

_EXCLUDED: Final = re.compile(r"[:?#\[\]@!$&'()*+,;=><\"/]")
_MOST_ROOMS: Final = 64
_VERIFICATION: Final = "enable_domain_verification (JWT_ENABLE_DOMAIN_VERIFICATION)"


def suggest_room_address(decided: DecidedRequest) -> str:
    """Suggest an address that names an existing room."""
    if not decided.request.room_exists:
        return "There is no room of this name now. Open the room first."
    if decided.cause == NOT_PREPARED:
        return (
            'The address is not as XMPP prepares it, as rules = "strict" requires. Write the room'
            " in"
            " lower case, and percent-encoded as the web client sends it."
        )
    return (
        "The request names no room. Name a room: https://HOST/ROOM or https://HOST/TENANT/ROOM as"
        " a URL, with room=ROOM for"
        " http-bind and xmpp-websocket, or ROOM@MUC-DOMAIN as an address."
    )


def suggest_authentication(_decided: DecidedRequest) -> str:
    """Suggest a token: the room does not accept guests."""
    return "This room does not accept guests. Add a token to the room's URL, as ?jwt=TOKEN."


def suggest_room(decided: DecidedRequest) -> str:
    """Suggest a ``room`` claim that means the room of the address."""
    claimed, name = decided.claims.room, decided.room
    if decided.claims.is_pattern:
        if decided.policy.enable_domain_verification:
            return _suggest_matching_pattern(decided)
        return (
            f"The flag context.room.regex makes room a pattern only with {_VERIFICATION}, which is"
            f" off here. Write the room's name, {quote(name)}, as room."
        )
    if not isinstance(claimed, str) or not claimed:
        return f"The token names no room. Name the room in room, as one string: {quote(name)}."
    # No link opens a room whose name the web client would send in another form.
    can_open = room_name(claimed) == ascii_lower(claimed)
    other = f"; or open the room that the token is for, {quote(claimed)}" if can_open else ""
    return _suggest_spelling(claimed, name) or (
        f"This token is for the room {plain(claimed)}; the link opens {plain(name)}."
        f' Set room to {quote(name)}, or to "*" for every room{other}.'
    )


def _suggest_spelling(claimed: str, name: str) -> str | None:
    """Return a suggestion if the claim means this room in a form that Jitsi does not compare."""
    if ascii_lower(claimed) == ascii_lower(name):
        lower = quote(ascii_lower(name))
        return f"Clients send rooms in lower case. Ask for the room in lower case, {lower}."
    if room_name(claimed) == name:
        without = ", without characters such as + and /" if _EXCLUDED.search(claimed) else ""
        return (
            f"The web client sends a room's name in lower case and percent-encoded{without}, and"
            f" Jitsi compares the name as it was sent. Write room as {quote(name)} instead of"
            f" {quote(claimed)}."
        )
    if name in re.split(r"[,;|\s]+", claimed.strip())[:_MOST_ROOMS] and claimed.strip() != name:
        return (
            "The claim room names several rooms, and Jitsi reads it as one name. Issue a token for"
            f' each room, here {quote(name)}, or one for every room, "*".'
        )
    if any(room_name(part) == name for part in _split_claim(claimed)):
        return (
            "The claim room has more than the room's name. Write only the room's name,"
            f" {quote(name)}, as room, and not {quote(claimed)}."
        )
    if "*" in claimed:
        return (
            f'Only "*" alone matches other names. Write room as {quote(name)}. To match a part of a'
            " name, set context.room.regex to true, and write a Lua pattern, such as ^team%-.*$."
        )
    return None


def _split_claim(claimed: str) -> Iterator[str]:
    """Yield the part that would be the name if the claim were a URL, an address or a room JID."""
    path = re.split(r"[?#]", claimed.strip())[0].rstrip("/")
    yield path.rpartition("/")[2]
    yield claimed.strip().partition("@")[0]
    yield claimed.strip().rpartition("]")[2]


def _suggest_matching_pattern(decided: DecidedRequest) -> str:
    claimed, name = decided.claims.room, decided.room
    matched = match_room_claim(name, claimed, decided.policy) if isinstance(claimed, str) else None
    if isinstance(matched, str):
        return (
            "Jitsi compares what the pattern matched, or what its first pair of parentheses"
            f" matched, and that is {quote(matched)}. Let the pattern match the whole name,"
            f" {quote(name)}."
        )
    return (
        "The token's pattern does not match the room. Write a Lua pattern that matches"
        f" {quote(name)}{_hint_at_mistake(claimed)}."
    )


def _hint_at_mistake(claimed: Any) -> str:
    """Return the first common mistake in a pattern, as the end of a sentence."""
    # Escaped characters and sets are correct Lua, and would hide what the hints look for.
    text = re.sub(r"%.|\[[^\]]*\]", "", format_value(claimed) or "")
    if re.search(r"\\|\||\{\d", text):
        return r": Lua has %d and %w instead of \d and \w, and neither | nor {n}"
    if not text.isascii():
        return ": names are percent-encoded there, and a percent sign is %% in a pattern"
    if re.search("[A-Z]", text):
        return ": names are in lower case, and a pattern is compared as it is written"
    if "-" in text:
        return ": a hyphen is %- there, because - alone repeats the character before it"
    return "" if "." in text else ": the pattern has no wildcard (.* matches anything)"


def suggest_pattern(decided: DecidedRequest) -> str:
    """Suggest a pattern that the limits allow."""
    policy, cause = decided.policy, decided.cause
    if cause == ROOM_IS_OPTIONAL:
        return (
            "Jitsi would let such a token into any room, since the room claim is optional here."
            " Name one room as room, or set asap_require_room_claim = true."
        )
    if cause == PATTERNS_DISABLED:
        return (
            "Patterns are off here. Name one room as room, or enable patterns: token_regex_enabled"
            " = true."
        )
    if cause == TOO_LONG:
        return (
            "The room's name is too long for a pattern. Use a shorter room name: patterns are"
            " matched against at most"
            f" token_regex_room_max_length = {policy.token_regex_room_max_length} bytes,"
            " percent-encoded."
        )
    if cause == TOO_COMPLEX:
        return (
            "The token's pattern is too complex. Write a simpler pattern: at most"
            f" {policy.token_regex_max_quantifiers} of * + - ? that repeat something"
            " (token_regex_max_quantifiers), and few ways to match."
        )
    return (
        f"{decided.detail}. Write a valid Lua pattern, in which % escapes a character (not \\),"
        " every ( and"
        " [ is closed, and no single % is at the end."
    )


def suggest_tenant(decided: DecidedRequest) -> str:
    """Suggest a tenant that ``sub``, ``context.tenant`` and the URL agree on."""
    if decided.cause == CONTEXT_TENANT:
        return _suggest_context_tenant(decided)
    subject, needed = _subject(decided), decided.tenant or ""
    if ascii_lower(subject) == ascii_lower(needed):
        lower = quote(ascii_lower(needed))
        return f"Clients send tenants in lower case. Ask for the tenant in lower case, {lower}."
    base = decided.policy.muc_mapper_domain_base
    domain = "the domain " if "." in subject or ascii_lower(subject) == base else ""
    return (
        f"For a room below a tenant, sub is the tenant, and not {domain}{quote(subject)}. Set sub"
        f" to {quote_or_wildcard(needed)}."
    )


def _suggest_context_tenant(decided: DecidedRequest) -> str:
    prefix = decided.request.query_prefix
    wanted = f"set context.tenant to {quote(prefix)}" if prefix else "leave context.tenant out"
    return (
        "The token's context.tenant is not the link's tenant. Open the room below the token's own"
        f" tenant, or {wanted}."
    )


def suggest_domain(decided: DecidedRequest) -> str:
    """Suggest an XMPP domain that ``sub``, the address and the configuration agree on."""
    policy, subject, jid = decided.policy, _subject(decided), decided.jid
    host = "" if jid is None else jid.host
    if subject == "*" or (decided.needed_subject == "*" and host != policy.muc_mapper_domain):
        if policy.muc_mapper_domain is None:
            return (
                "This server does not know its own domain. Set muc_mapper_domain_base"
                f" (XMPP_DOMAIN), to which {quote(host)} belongs."
            )
        return (
            f"The MUC domain of this deployment is {policy.muc_mapper_domain} (muc_mapper_domain,"
            f" XMPP_MUC_DOMAIN). Ask for the room there, and not at {quote(host)}."
        )
    wanted = quote_or_wildcard(decided.needed_subject)
    if not subject:
        return f"The claim sub is empty. Set sub to {wanted}."
    path = f"/{format_value(subject)}/ROOM"
    hint = "" if "." in subject else f" If sub names a tenant, put it into the URL as well: {path}."
    return (
        "Jitsi compares sub with the XMPP domain (muc_mapper_domain_base, XMPP_DOMAIN), not with"
        f" the public name, and {quote(subject)} is another domain. Set sub to {wanted}.{hint}"
    )


def suggest_domain_base(_decided: DecidedRequest) -> str:
    """Suggest to configure the domain: rooms below a tenant have no address without it."""
    return (
        "This server does not know its own domain, and the token may be correct. Set"
        " muc_mapper_domain_base (XMPP_DOMAIN), without which rooms"
        " below a tenant have no address."
    )


def _subject(decided: DecidedRequest) -> str:
    subject = decided.claims.subject
    return subject if isinstance(subject, str) else ""

"""What to change about the room, the tenant and the domain that a token names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import or_wildcard, quoted, shown
from verifier.rooms.address import ascii_lower, room_name
from verifier.rooms.patterns import match_room

_VERIFICATION = "enable_domain_verification (JWT_ENABLE_DOMAIN_VERIFICATION)"


def suggest_room_address(decided: DecidedRequest) -> str:
    """The address names no room, or one that does not exist."""
    if not decided.request.room_exists:
        return "Open the room first: there is none of this name now."
    if "prepares" in decided.detail:
        return (
            "Ask for the room as XMPP has it: lower case, and percent-encoded as the web client"
            ' sends it; rules = "strict" takes no other form of an address.'
        )
    return (
        "Name a room: https://HOST/ROOM or https://HOST/TENANT/ROOM as a URL, with room=ROOM for"
        " http-bind and xmpp-websocket, or ROOM@MUC-DOMAIN as an address."
    )


def suggest_authentication(_decided: DecidedRequest) -> str:
    """A guest at a room that lets in none."""
    return "Add a token to the room's URL, as ?jwt=TOKEN: this room lets in nobody without one."


def suggest_room(decided: DecidedRequest) -> str:
    """The room claim names another room."""
    claimed, name = decided.claims.room, decided.room
    if decided.claims.is_pattern:
        if decided.policy.enable_domain_verification:
            return _pattern(decided)
        return (
            f"Write the room's name, {quoted(name)}, as room: context.room.regex makes a pattern of"
            f" it only under {_VERIFICATION}, which is off here."
        )
    if not isinstance(claimed, str) or not claimed:
        return f"Name the room in room, as one string: {quoted(name)}."
    return _other_spelling(claimed, name) or (
        f'Set room to {quoted(name)}, or to "*" for every room; or open the room that the token'
        f" is for, {quoted(claimed)}."
    )


def _other_spelling(claimed: str, name: str) -> str | None:
    """See whether the claim means this room, but not as Jitsi writes it."""
    if ascii_lower(claimed) == ascii_lower(name):
        return f"Ask for the room in lower case, {quoted(ascii_lower(name))}, as the client does."
    if room_name(claimed) == name:
        return (
            f"Write room as {quoted(name)} instead of {quoted(claimed)}: the client sends the name"
            " in lower case and percent-encoded, and Jitsi compares it as it was sent."
        )
    if any(room_name(part) == name for part in _parts(claimed)):
        return f"Write only the room's name, {quoted(name)}, as room, and not {quoted(claimed)}."
    if "*" in claimed:
        return (
            f'Write room as {quoted(name)}: only "*" alone stands for other names; for a part of'
            " one, set context.room.regex to true and write a Lua pattern, such as ^team%-.*$."
        )
    return None


def _parts(claimed: str) -> Iterator[str]:
    """Give what could be the name in a URL, a path, an address or a name with blanks."""
    path = re.split(r"[?#]", claimed.strip())[0].rstrip("/")
    yield path.rpartition("/")[2]
    yield claimed.strip().partition("@")[0]
    yield claimed.strip().rpartition("]")[2]


def _pattern(decided: DecidedRequest) -> str:
    claimed, name = decided.claims.room, decided.room
    matched = match_room(name, claimed, decided.policy) if isinstance(claimed, str) else None
    if isinstance(matched, str):
        return (
            f"Let the pattern match the whole name, {quoted(name)}: what counts is its match, or"
            f" its first parentheses' part if it has any, and that is {quoted(matched)}."
        )
    return f"Write a Lua pattern that matches {quoted(name)}{_lua_hint(claimed)}."


def _lua_hint(claimed: Any) -> str:
    text = re.sub(r"%.|\[[^\]]*\]", "", shown(claimed) or "")
    if re.search(r"\\|\||\{\d", text):
        return r": %d and %w instead of \d and \w, and there is neither | nor {n}"
    if not text.isascii():
        return ": names are percent-encoded there, and a percent sign is %% in a pattern"
    if re.search("[A-Z]", text):
        return ": names are in lower case, and a pattern stays as it is written"
    if "-" in text:
        return ": a hyphen is %- there, as - alone repeats what stands before it"
    return "" if "." in text else ": there is no wildcard in it (.* stands for anything)"


def suggest_pattern(decided: DecidedRequest) -> str:
    """The room claim's pattern is refused before it is matched."""
    policy, detail = decided.policy, decided.detail
    if "need asap_require_room_claim" in detail:
        return (
            "Name one room as room, or set asap_require_room_claim = true: strict rules take no"
            " pattern where the claim is optional, for to Jitsi any room would do then."
        )
    if "not enabled" in detail:
        return "Name one room as room, or enable patterns: token_regex_enabled = true."
    if "too long" in detail:
        return (
            "Use a shorter room name: patterns are matched up to token_regex_room_max_length ="
            f" {policy.token_regex_room_max_length} bytes, percent-encoded."
        )
    if "too complex" in detail:
        return (
            f"Write a simpler pattern: at most {policy.token_regex_max_quantifiers} of * + - ? that"
            " repeat something (token_regex_max_quantifiers), and little to try."
        )
    return (
        r"Write a valid Lua pattern, in which % escapes (not \), every ( and [ is closed, and no %"
        f" stands at the end; {detail}."
    )


def suggest_tenant(decided: DecidedRequest) -> str:
    """``sub``, or ``context.tenant``, names another tenant."""
    if "context" in decided.detail:
        return _context_tenant(decided)
    subject, needed = _subject(decided), decided.tenant or ""
    if ascii_lower(subject) == ascii_lower(needed):
        return f"Ask for the tenant in lower case, {quoted(ascii_lower(needed))}, as clients do."
    base = decided.policy.muc_mapper_domain_base
    domain = "the domain " if "." in subject or ascii_lower(subject) == base else ""
    return (
        f"Set sub to {or_wildcard(needed)}: for a room below a tenant it is the tenant, and not"
        f" {domain}{quoted(subject)}."
    )


def _context_tenant(decided: DecidedRequest) -> str:
    prefix = decided.request.query_prefix
    wanted = f"set context.tenant to {quoted(prefix)}" if prefix else "leave context.tenant out"
    return f"Open the room below the token's own tenant, or {wanted}."


def suggest_domain(decided: DecidedRequest) -> str:
    """``sub`` names another XMPP domain."""
    policy, subject, jid = decided.policy, _subject(decided), decided.jid
    host = "" if jid is None else jid.host
    if subject == "*" or (decided.needed_subject == "*" and host != policy.muc_mapper_domain):
        if policy.muc_mapper_domain is None:
            return f"Set muc_mapper_domain_base (XMPP_DOMAIN), to which {quoted(host)} belongs."
        return (
            f"Ask for the room at {policy.muc_mapper_domain}, the MUC domain of this deployment"
            f" (muc_mapper_domain, XMPP_MUC_DOMAIN), and not at {quoted(host)}."
        )
    wanted = or_wildcard(decided.needed_subject)
    hint = "" if "." in subject else f"; a tenant goes into the URL as well: /{shown(subject)}/ROOM"
    return (
        f"Set sub to {wanted}: it is compared with the XMPP domain (muc_mapper_domain_base,"
        f" XMPP_DOMAIN), not with the public name, and {quoted(subject)} is another{hint}."
    )


def suggest_domain_base(_decided: DecidedRequest) -> str:
    """Tenants, but no domain base."""
    return (
        "Set muc_mapper_domain_base (XMPP_DOMAIN): without it rooms below a tenant have no"
        " address; the token itself need not be wrong."
    )


def _subject(decided: DecidedRequest) -> str:
    subject = decided.claims.subject
    return subject if isinstance(subject, str) else ""

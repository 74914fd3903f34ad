"""``POST /v1/verify``: one access request as JSON, for Prosody's modules and other programs.

A denial is a 200 too. A 400 means that the body is not an access request, a 503 that no decision is
possible now.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from verifier.http.responses import JSON_HEADERS, Response, retry_after, status_of
from verifier.rooms.address import LONGEST_JID, MAX_BYTES
from verifier.rules.model import AccessRequest, Allow, Decision, Deny
from verifier.tokens.jws import MalformedError, json_type, parse_object

MEMBERS: Final = {
    "token": (str, "a string or null"),
    "room_jid": (str, "a string or null"),
    "query_prefix": (str, "a string or null"),
    "host": (str, "a string or null"),
    "room_requires_authentication": (bool, "a boolean or null"),
    "creates_room": (bool, "a boolean or null"),
    "admitted_before": (bool, "a boolean or null"),
    "authenticated_elsewhere": (bool, "a boolean or null"),
}
"""The members of the body: for each its type, and the type in words."""

# The cost of reading JSON depends more on the number of its parts than on its length. Each part
# needs one of these characters, so the parts can be counted without parsing.
_PARTS: Final = (b'"', b",", b"[", b"{")
_MOST_PARTS: Final = 512
# Bytes. No tenant and no host is longer (RFC 6122, section 2.1).
_LONGEST: Final = {"query_prefix": MAX_BYTES, "host": MAX_BYTES}


class BadBodyError(ValueError):
    """The body cannot be used; names the member, what was expected and what was found."""


def parse_body(body: bytes) -> tuple[AccessRequest, str | None]:
    """Return the access request of a body; unknown members are ignored.

    Returns:
        The access request, and its host; None if the body names none.

    Raises:
        BadBodyError: the body is no strict JSON object, has too many parts, or a member has the
            wrong type or is too long.
    """
    parts = sum(map(body.count, _PARTS))
    if parts > _MOST_PARTS:
        expected = f"at most {_MOST_PARTS} quotes, commas and opening brackets"
        raise BadBodyError(f"body: expected {expected}, found {parts}")
    try:
        members = parse_object(body)
    except MalformedError as error:
        raise BadBodyError(f"body: {error}") from None
    if "token" not in members:
        raise BadBodyError("token: expected a string or null, found none")
    for name, (kind, expected) in MEMBERS.items():
        value = members.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadBodyError(f"{name}: expected {expected}, found {json_type(value)}")
    for name, longest in _LONGEST.items():
        size = len((members.get(name) or "").encode())
        if size > longest:
            raise BadBodyError(f"{name}: expected at most {longest} bytes, found {size}")
    room_jid = members.get("room_jid")
    if room_jid is not None and len(room_jid) > LONGEST_JID:
        room_jid = ""  # it names no room, as Prosody receives no such address; no record holds it
    request = AccessRequest(
        token=members["token"],
        room_jid=room_jid,
        query_prefix=members.get("query_prefix"),
        room_requires_authentication=bool(members.get("room_requires_authentication")),
        creates_room=bool(members.get("creates_room")),
        admitted_before=bool(members.get("admitted_before")),
        authenticated_elsewhere=bool(members.get("authenticated_elsewhere")),
    )
    return request, members.get("host")


def verify_response(decision: Decision) -> Response:
    """Return the response of ``/v1/verify``."""
    status, headers = HTTPStatus.OK, JSON_HEADERS
    if isinstance(decision, Deny) and status_of(decision.code) is HTTPStatus.SERVICE_UNAVAILABLE:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers = JSON_HEADERS | {"Retry-After": retry_after(decision.code)}
    return Response(status, headers, json.dumps(_members(decision)).encode())


def _members(decision: Decision) -> dict[str, Any]:
    """Return what a Prosody module needs to act as Jitsi's own module would."""
    if isinstance(decision, Allow):
        expires = decision.expires_at
        return {
            "allowed": True,
            "code": None,
            "error": None,
            "reason": None,
            "affiliation": decision.affiliation,
            "moderator": decision.affiliation == "owner",
            "tenant_mismatch": decision.tenant_mismatch,
            "expires": None if expires is None else int(expires),
            "session": decision.session,
        }
    error, reason = decision.answer
    return {
        "allowed": False,
        "code": decision.code,
        "error": error,
        "reason": reason,
        "affiliation": None,
        "moderator": False,
        "tenant_mismatch": False,
        "expires": None,
        "session": None,
    }

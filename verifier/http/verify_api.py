"""``POST /v1/verify``: the question as JSON, for Prosody's modules and any other program.

Every verdict is a 200 that says so; only a question that is not one is a 400.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from verifier.http.responses import JSON_HEADERS, Response, retry_after, status_of
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
}
"""What is read of a question: each member's type, and that in words."""


class BadQuestionError(ValueError):
    """The body is no question; says which member, and what was expected."""


def parse_question(body: bytes) -> tuple[AccessRequest, str | None]:
    """Read a request body; members that are not known are ignored.

    Returns:
        The question, and the host that it is for; None where the body names none.

    Raises:
        BadQuestionError: no strict JSON object, or a member of the wrong type.
    """
    try:
        question = parse_object(body)
    except MalformedError as error:
        raise BadQuestionError(f"body: {error}") from None
    if "token" not in question:
        raise BadQuestionError("token: expected a string or null, found none")
    for name, (kind, expected) in MEMBERS.items():
        value = question.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadQuestionError(f"{name}: expected {expected}, found {json_type(value)}")
    request = AccessRequest(
        token=question["token"],
        room_jid=question.get("room_jid"),
        query_prefix=question.get("query_prefix"),
        room_requires_authentication=bool(question.get("room_requires_authentication")),
        creates_room=bool(question.get("creates_room")),
        admitted_before=bool(question.get("admitted_before")),
    )
    return request, question.get("host")


def respond_json(decision: Decision) -> Response:
    """Render a decision as JSON."""
    status, headers = HTTPStatus.OK, JSON_HEADERS
    if isinstance(decision, Deny) and status_of(decision.code) is HTTPStatus.SERVICE_UNAVAILABLE:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers = JSON_HEADERS | {"Retry-After": retry_after(decision.code)}
    return Response(status, headers, json.dumps(describe(decision)).encode())


def describe(decision: Decision) -> dict[str, Any]:
    """Say everything that a Prosody module needs to act as Jitsi's own would."""
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

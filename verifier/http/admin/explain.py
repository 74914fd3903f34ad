"""``POST /v1/explain``: every step of a decision, as ``jitsi-verifier explain`` prints them.

The token is in the body. It is neither logged nor cached, and its signature is not returned.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields, replace
from http import HTTPStatus
from typing import Any, Final

from verifier.config.options import Mode
from verifier.decisions.explaining import explain_request
from verifier.decisions.hosts import Hosts
from verifier.explain import (
    NO_HOST,
    Explanation,
    PastedInput,
    UnreadableError,
    add_pasted,
    explain_ambiguity,
    explain_unserved_host,
    view_token,
)
from verifier.http.request import Request
from verifier.http.responses import JSON_HEADERS, NO_STORE, Response, problem
from verifier.http.verify_api import BadBodyError
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import jid_request
from verifier.tokens.claims import is_number
from verifier.tokens.jws import MalformedError, json_type, parse_object
from verifier.tokens.redact import hide_tokens

_STRINGS: Final = ("token", "pasted", "url", "room_jid", "room", "host")
_EXCLUSIVE: Final = (("token", "pasted"), ("url", "pasted"), ("url", "room_jid", "room"))


async def respond_explanation(request: Request, hosts: Hosts, mode: Mode) -> Response:
    """Return the explanation for a token (``token`` or ``pasted``) and a room.

    Args:
        request: The request, with its body.
        hosts: The verifier of each host.
        mode: What a denial does; in report-only mode, a denied request is let through.
    """
    try:
        explanation = await _explain(_parse(request.body), hosts)
    except BadBodyError as error:
        return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE)
    body = json.dumps(explanation | {"mode": mode}).encode()
    return Response(HTTPStatus.OK, JSON_HEADERS, body)


def respond_hosts(hosts: Hosts) -> Response:
    """Return the configured hosts; ``host`` of an explanation may name one of them."""
    members = {"hosts": sorted(hosts.names), "strict": hosts.refuses_unknown_hosts}
    return Response(HTTPStatus.OK, JSON_HEADERS, json.dumps(members).encode())


def _parse(body: bytes) -> dict[str, Any]:
    """Return the members of a body, their types checked.

    Raises:
        BadBodyError: a member has the wrong type, or two members exclude each other.
    """
    try:
        members = parse_object(body)
    except MalformedError as error:
        raise BadBodyError(f"body: {error}") from None
    given = {name for name in _STRINGS if members.get(name) is not None}
    for name in given:
        if not isinstance(members[name], str):
            found = json_type(members[name])
            raise BadBodyError(f"{name}: expected a string or null, found {found}")
    creates = members.get("creates_room")
    if creates is not None and not isinstance(creates, bool):
        found = json_type(creates)
        raise BadBodyError(f"creates_room: expected a boolean or null, found {found}")
    now = members.get("now")
    if now is not None and not is_number(now):
        raise BadBodyError(f"now: expected a number, found {json_type(now)}")
    for names in _EXCLUSIVE:
        if len(both := [name for name in names if name in given]) > 1:
            raise BadBodyError(f"{both[0]}: expected it or {both[1]}, found both")
    return members


async def _explain(members: dict[str, Any], hosts: Hosts) -> dict[str, Any]:
    pasted = _read_pasted(members)
    host = members.get("host") or pasted.host
    if host is None and hosts.names:
        pasted.notes.append(NO_HOST)
    now = time.time() if members.get("now") is None else members["now"]
    verifier = hosts.default if host is None else hosts.find(host)
    request = None
    if verifier is None:
        explanation = explain_unserved_host(host or "")
    elif pasted.ambiguity:
        explanation = explain_ambiguity(pasted.ambiguity)
    else:
        creates = bool(members.get("creates_room"))
        request = replace(_request(members, pasted, verifier.policy), creates_room=creates)
        explanation = await explain_request(
            request, verifier.policy, verifier.keys, now, verifier.revoked
        )
    explanation = add_pasted(explanation, pasted)
    return asdict(explanation) | {
        "now": now,
        "host": hosts.configured_name(host),
        "room_jid": _shown_room_jid(request),
        "token": _token_object(pasted.token, explanation),
    }


def _shown_room_jid(request: AccessRequest | None) -> str | None:
    if request is None or request.room_jid is None:
        return None
    return hide_tokens(request.room_jid)


def _read_pasted(members: dict[str, Any]) -> PastedInput:
    pasted = PastedInput(members.get("token"))
    name = "pasted"
    try:
        if members.get(name):
            pasted.read(members[name])
        name = "url"
        if members.get(name) is not None:
            pasted.read_url(members[name])
        name = "room"
        members[name] = pasted.read_room(members.get(name))
    except UnreadableError as error:
        raise BadBodyError(f"{name}: {error}") from None
    return pasted


def _request(members: dict[str, Any], pasted: PastedInput, policy: Policy) -> AccessRequest:
    if members.get("room_jid") is not None:
        return jid_request(pasted.token, members["room_jid"])
    try:
        return pasted.request(members.get("room"), policy)
    except UnreadableError as error:
        raise BadBodyError(f"room: {error}") from None


def _token_object(token: str | None, explanation: Explanation) -> dict[str, Any] | None:
    if token is None:
        return None
    view = view_token(token)
    # `asdict` would copy the claims, and recurse as deep as they are nested.
    members = {field.name: getattr(view, field.name) for field in fields(view)}
    verified = any((step.name, step.result) == ("signature", "pass") for step in explanation.steps)
    return members | {"verified": verified}

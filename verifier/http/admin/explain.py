"""``POST /v1/explain``: the steps of ``jitsi-verifier explain`` for programs and the operator.

The token comes in the body, and nothing of it is logged or kept; its signature is not sent back.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields, replace
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from verifier.decisions.explaining import explain_request
from verifier.decisions.hosts import Hosts
from verifier.explain import (
    Explanation,
    PastedInput,
    UnreadableError,
    explain_ambiguity,
    explain_unserved_host,
    view_token,
)
from verifier.http.responses import JSON_HEADERS, NO_STORE, problem
from verifier.http.server import read_body
from verifier.http.verify_api import BadBodyError
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import jid_request
from verifier.tokens.claims import is_number
from verifier.tokens.jws import MalformedError, json_type, parse_object
from verifier.tokens.redact import hide_tokens

_STRINGS: Final = ("token", "pasted", "url", "room_jid", "room", "host")
_EXCLUSIVE: Final = (("token", "pasted"), ("url", "pasted"), ("url", "room_jid", "room"))


async def respond_explanation(request: web.BaseRequest, hosts: Hosts) -> web.Response:
    """Explain what the body asks: a token (``token`` or ``pasted``) and where it is to open."""
    body = await read_body(request)
    if isinstance(body, web.Response):
        return body
    try:
        answer = await _explain(_parse(body), hosts)
    except BadBodyError as error:
        return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE)
    return web.Response(headers=JSON_HEADERS, body=json.dumps(answer).encode())


def respond_hosts(hosts: Hosts) -> web.Response:
    """Name the virtual hosts that have rules of their own, one of which ``host`` may name."""
    answer = {"hosts": sorted(hosts.names), "strict": hosts.strict}
    return web.Response(headers=JSON_HEADERS, body=json.dumps(answer).encode())


def _parse(body: bytes) -> dict[str, Any]:
    try:
        question = parse_object(body)
    except MalformedError as error:
        raise BadBodyError(f"body: {error}") from None
    given = {name for name in _STRINGS if question.get(name) is not None}
    for name in given:
        if not isinstance(question[name], str):
            found = json_type(question[name])
            raise BadBodyError(f"{name}: expected a string or null, found {found}")
    new = question.get("creates_room")
    if new is not None and not isinstance(new, bool):
        raise BadBodyError(f"creates_room: expected a boolean or null, found {json_type(new)}")
    now = question.get("now")
    if now is not None and not is_number(now):
        raise BadBodyError(f"now: expected a number, found {json_type(now)}")
    for names in _EXCLUSIVE:
        if len(both := [name for name in names if name in given]) > 1:
            raise BadBodyError(f"{both[0]}: expected it or {both[1]}, found both")
    return question


async def _explain(question: dict[str, Any], hosts: Hosts) -> dict[str, Any]:
    found = _find(question)
    host = question.get("host") or (found.url.host if found.url else None)
    moment = time.time() if question.get("now") is None else question["now"]
    verifier = hosts.default if host is None else hosts.find(host)
    request = None
    if verifier is None:
        explanation = explain_unserved_host(host or "")
    elif found.ambiguity:
        explanation = explain_ambiguity(found.ambiguity)
    else:
        new = bool(question.get("creates_room"))
        request = replace(_request(question, found, verifier.policy), creates_room=new)
        explanation = await explain_request(
            request, verifier.policy, verifier.keys, moment, verifier.revoked
        )
    notes = map(hide_tokens, (*found.notes, *explanation.notes))
    return asdict(replace(explanation, notes=tuple(notes))) | {
        "now": moment,
        "host": hosts.own_name(host),
        "room_jid": _shown_address(request),
        "token": _describe_token(found.token, explanation),
    }


def _shown_address(request: AccessRequest | None) -> str | None:
    if request is None or request.room_jid is None:
        return None
    return hide_tokens(request.room_jid)


def _find(question: dict[str, Any]) -> PastedInput:
    found = PastedInput(question.get("token"))
    name = "pasted"
    try:
        if question.get(name):
            found.read(question[name])
        name = "url"
        if question.get(name) is not None:
            found.read_url(question[name])
        name = "room"
        if _names_url(question.get(name) or ""):
            found.read_url(question.pop(name))
    except UnreadableError as error:
        raise BadBodyError(f"{name}: {error}") from None
    return found


def _names_url(room: str) -> bool:
    return "://" in room or room.lstrip().startswith("/")


def _request(question: dict[str, Any], found: PastedInput, policy: Policy) -> AccessRequest:
    if question.get("room_jid") is not None:
        return jid_request(found.token, question["room_jid"])
    try:
        return found.request(question.get("room"), policy)
    except UnreadableError as error:
        raise BadBodyError(f"room: {error}") from None


def _describe_token(token: str | None, explanation: Explanation) -> dict[str, Any] | None:
    if token is None:
        return None
    view = view_token(token)
    # Not asdict, which would copy the claims and recurse as deep as they are nested.
    described = {each.name: getattr(view, each.name) for each in fields(view)}
    signed = any((step.name, step.result) == ("signature", "pass") for step in explanation.steps)
    return described | {"verified": signed}

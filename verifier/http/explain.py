"""``POST /v1/explain``: the steps of ``jitsi-verifier explain`` for programs and the operator.

The token comes in the body, and nothing of it is logged or kept.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from verifier.core.claims import is_number
from verifier.core.decision import AccessRequest
from verifier.core.explain import Explanation, explain_ambiguity
from verifier.core.jws import MalformedError, json_type, parse_object
from verifier.core.question import access_request
from verifier.core.rooms import Url, parse_url
from verifier.http.server import read_body
from verifier.http.verify import HEADERS, BadQuestionError, bad_question
from verifier.shell.explaining import explain_request
from verifier.shell.hosts import Hosts

_STRINGS: Final = ("token", "url", "room_jid")


async def respond_explanation(request: web.BaseRequest, hosts: Hosts) -> web.Response:
    """Explain what the body asks: ``{"token", "url" or "room_jid", "now"?}``."""
    body = await read_body(request)
    if isinstance(body, web.Response):
        return body
    try:
        explanation = await _explain(_parse(body), hosts)
    except BadQuestionError as error:
        return bad_question(error)
    return web.Response(headers=HEADERS, body=json.dumps(asdict(explanation)).encode())


def _parse(body: bytes) -> dict[str, Any]:
    try:
        question = parse_object(body)
    except MalformedError as error:
        raise BadQuestionError(f"body: {error}") from None
    for name in _STRINGS:
        value = question.get(name)
        if value is not None and not isinstance(value, str):
            raise BadQuestionError(f"{name}: expected a string or null, found {json_type(value)}")
    now = question.get("now")
    if now is not None and not is_number(now):
        raise BadQuestionError(f"now: expected a number, found {json_type(now)}")
    if question.get("url") is not None and question.get("room_jid") is not None:
        raise BadQuestionError("url: expected it or room_jid, found both")
    return question


async def _explain(question: dict[str, Any], hosts: Hosts) -> Explanation:
    token, now = question.get("token"), question.get("now")
    url = None if question.get("url") is None else parse_url(question["url"])
    if url is None and question.get("url") is not None:
        raise BadQuestionError("url: expected an http or https URL without user info")
    verifier = hosts.find(url.host if url else None) or hosts.default
    if url is None:
        request = AccessRequest(token, question.get("room_jid"), "")
    elif (found := _token_of(url)) is None:
        return explain_ambiguity("a parameter twice, or two tokens that differ")
    else:
        given = token if token is not None else next(iter(found), None)
        request = access_request(given, url.target.address, verifier.policy)
    moment = time.time() if now is None else now
    return await explain_request(request, verifier.policy, verifier.keys, moment)


def _token_of(url: Url) -> set[str] | None:
    """Give the tokens of a URL, at most one; None where it can be read in two ways."""
    tokens = {*url.target.jwt, *url.target.token}
    return None if url.target.ambiguous or len(tokens) > 1 else tokens

"""The decision listener: from path to endpoint, from decision to answer, counted and logged."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Final

from aiohttp import web

from verifier.core.decision import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.core.question import access_request
from verifier.http import gate, prosody
from verifier.http.bypass import Bypass
from verifier.http.pages import Pages
from verifier.http.respond import problem_body, respond
from verifier.http.server import read_body, sole_header
from verifier.http.verify import BadQuestionError, bad_question, parse_question, respond_json
from verifier.shell.hosts import Hosts
from verifier.shell.logs import log
from verifier.shell.service import Observer, Verifier

Endpoint = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_UNKNOWN_HOST: Final = Deny(DenialCode.DOMAIN_MISMATCH, "this host is not served here")
_PLAIN: Final = {"Server": "jitsi-verifier", "Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What an operator can set about the decision endpoints.

    Attributes:
        decision_ttl: The longest time, seconds, that a proxy may keep an allow.
        token_cookie: Name of the cookie that may hold a token; None where none may.
        bypass: Knows the service participants that need no token.
        pages: Completes the answers to page requests.
    """

    decision_ttl: int = 30
    token_cookie: str | None = None
    bypass: Bypass = Bypass()  # noqa: RUF009  # immutable
    pages: Pages = Pages()  # noqa: RUF009  # immutable


class DecisionService:
    """Answers everything that comes to ``listen``.

    Args:
        hosts: Gives the verifier that answers for a host.
        observer: Counts decisions.
        options: What an operator has set.
    """

    def __init__(
        self,
        hosts: Hosts,
        observer: Observer,
        options: GateOptions,
    ) -> None:
        self._hosts = hosts
        self._observer = observer
        self._options = options
        self._endpoints: Mapping[str, Endpoint] = {
            "/v1/verify": self._verify,
            "/access": self._access,
            "/check_password": self._check_password,
            "/user_exists": self._user_exists,
            "/healthz": _healthz,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; a path that is none of ours is a 404 and opens nothing."""
        path = request.raw_path.partition("?")[0]
        if path in gate.PATHS:
            return await self._gate(request, gate.PATHS[path])
        if path.startswith(gate.EXT_AUTHZ + "/"):
            return await self._gate(request, "ext-authz")
        if path in self._endpoints:
            return await self._endpoints[path](request)
        # Each host's own keys: another's would sign for its rooms.
        verifier = self._hosts.find(request.headers.get("Host"))
        key = await prosody.respond_key(request, verifier.keys.by_digest) if verifier else None
        return key or not_found()

    async def _gate(self, request: web.BaseRequest, name: str) -> web.Response:
        started = perf_counter()
        original = gate.read_original(request, gate.CONVENTIONS[name], self._options.token_cookie)
        address = None if isinstance(original, Deny) else original.target.address
        ttl, room = self._options.decision_ttl, None if address is None else address.room
        decision: Decision
        if isinstance(original, Deny):
            decision = original
        elif (verifier := self._hosts.find(original.host)) is None:
            decision = _UNKNOWN_HOST
        elif original.token is None and room and self._needs_no_token(request, original):
            # Not to be kept: proxies remember by token and URL, not by address or cookie.
            decision, ttl = Allow(), 0
        else:
            question = access_request(original.token, address, verifier.policy)
            decision, room = await self._judge_by(verifier, question), question.room_jid
        response = respond(decision, address, self._hosts.default.now(), ttl)
        if not isinstance(original, Deny):
            response = self._options.pages.complete(response, request, name, original, decision)
        self._conclude(request, name, decision, room, started)
        return response

    def _needs_no_token(self, request: web.BaseRequest, original: gate.Original) -> bool:
        options = self._options
        return options.bypass.applies(request) or options.pages.admits(request, original)

    async def _verify(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return method_not_allowed("POST")
        body = await read_body(request)
        if isinstance(body, web.Response):
            return body
        started = perf_counter()
        try:
            question, host = parse_question(body)
        except BadQuestionError as error:
            return bad_question(error)
        decision = await self._judge(question, host)
        self._conclude(request, "verify", decision, question.room_jid, started)
        return respond_json(decision)

    async def _access(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody.READING:
            return method_not_allowed("GET")
        started = perf_counter()
        decision = await self._judge(prosody.access_question(request), request.headers.get("Host"))
        self._conclude(request, "access", decision, None, started)
        return prosody.respond_access(decision)

    async def _check_password(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody.READING:
            return method_not_allowed("GET")
        started = perf_counter()
        question = prosody.password_question(request)
        decision: Decision
        if isinstance(question, Deny):
            decision = question
        else:
            decision = await self._judge(*question)
        self._conclude(request, "check-password", decision, None, started)
        return prosody.respond_password(decision)

    async def _user_exists(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody.READING:
            return method_not_allowed("GET")
        return prosody.respond_user_exists()

    async def _judge(self, question: AccessRequest, host: str | None) -> Decision:
        verifier = self._hosts.find(host)
        return _UNKNOWN_HOST if verifier is None else await self._judge_by(verifier, question)

    async def _judge_by(self, verifier: Verifier, question: AccessRequest) -> Decision:
        with self._observer.in_flight():
            return await verifier.verify(question)

    def _conclude(
        self,
        request: web.BaseRequest,
        endpoint: str,
        decision: Decision,
        room: str | None,
        started: float,
    ) -> None:
        """Count the decision, and write its line: each denial, and on demand each allow."""
        self._observer.decided(endpoint, decision, perf_counter() - started)
        request_id = sole_header(request, "X-Request-Id")
        if isinstance(decision, Allow):
            log("allowed", logging.DEBUG, endpoint=endpoint, room=room, request_id=request_id)
            return
        log(
            "denied",
            endpoint=endpoint,
            code=decision.code,
            detail=decision.detail,
            room=room,
            key_id=decision.key_id,
            request_id=request_id,
        )


def not_found() -> web.Response:
    """Say that a path is none of ours; it opens nothing."""
    return _problem(HTTPStatus.NOT_FOUND, "There is no such endpoint.")


async def _healthz(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(headers=_PLAIN, body=b"ok\n")


def method_not_allowed(allowed: str) -> web.Response:
    """Name the method that is served instead."""
    response = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Expected {allowed}.")
    response.headers["Allow"] = allowed
    return response


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    headers = _PLAIN | {"Content-Type": "application/problem+json"}
    return web.Response(status=status, headers=headers, body=problem_body(status, detail))

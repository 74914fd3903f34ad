"""The decision listener: from path to endpoint, from decision to answer, counted and logged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Final

from aiohttp import web

from verifier.decisions.cache import CachedResponse, DecisionCache, digest
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Observer
from verifier.http import original_request, prosody_api
from verifier.http.fast_lane import FastLane
from verifier.http.proxy_auth import GateOptions, ProxyAuthHandler, RequestContext
from verifier.http.responses import (
    NO_STORE,
    Lifetime,
    Response,
    method_not_allowed,
    not_found,
    problem,
    to_aiohttp,
)
from verifier.http.server import read_body
from verifier.http.verify_api import BadQuestionError, parse_question, respond_json
from verifier.observability.decision_log import DecisionLog
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.model import AccessRequest, Allow, Decision, Deny

Endpoint = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Render = Callable[[Decision], Response]

_PLAIN: Final = {"Server": "jitsi-verifier", "Content-Type": "text/plain; charset=utf-8"}


def _nothing_new() -> None:
    """Nothing changes elsewhere."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """A program's question: the token as it stands, and how it wants to be answered."""

    endpoint: str
    question: AccessRequest | Deny
    host: str | None
    render: Render
    started: float

    def key(self) -> bytes | None:
        """Give what the answer is kept under; None where there is nothing to keep."""
        question = self.question
        if isinstance(question, Deny):
            return None
        text = repr((self.endpoint, self.host, question.token, question))
        return digest([text.encode("utf-8", "backslashreplace")])


class DecisionService:
    """Responses everything that comes to ``listen``.

    Args:
        hosts: Gives the verifier that answers for a host.
        cache: Responses that still hold.
        observer: Counts decisions.
        decision_log: Writes them down.
        options: What an operator has set.
        refresh: Reads what has changed elsewhere, and empties the cache where anything has.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what answers are made of, each from its own part
        self,
        hosts: Hosts,
        cache: DecisionCache,
        observer: Observer,
        decision_log: DecisionLog,
        options: GateOptions,
        refresh: Callable[[], None] = _nothing_new,
    ) -> None:
        self._hosts = hosts
        self._report_only = options.report_only
        self._lifetime = Lifetime(options.decision_ttl)
        self.gatekeeper = ProxyAuthHandler(hosts, cache, observer, decision_log, options, refresh)
        self.fast_lane = FastLane(self.gatekeeper, options.decision_ttl, hosts.default.now)
        self._endpoints: Mapping[str, Endpoint] = {
            "/v1/verify": self._verify,
            "/access": self._access,
            "/check_password": self._check_password,
            "/user_exists": self._user_exists,
            "/healthz": _healthz,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Response one request; a path that is none of ours is a 404 and opens nothing."""
        path = request.raw_path.partition("?")[0]
        if path in original_request.PATHS:
            return await self._gate(request, original_request.PATHS[path])
        if path.startswith(original_request.EXT_AUTHZ + "/"):
            return await self._gate(request, "ext-authz")
        if path in self._endpoints:
            return await self._endpoints[path](request)
        # Each host's own keys: another's would sign for its rooms.
        verifier = self._hosts.find(request.headers.get("Host"))
        key = (
            await prosody_api.respond_key(request, verifier.keys.find_by_digest)
            if verifier
            else None
        )
        return key or not_found()

    async def _gate(self, request: web.BaseRequest, endpoint: str) -> web.Response:
        started, keeper = perf_counter(), self.gatekeeper
        key = keeper.key(endpoint, request)
        kept = self._recall(endpoint, request, key, started)
        if kept is None:
            case = keeper.open(endpoint, request, key)
            kept = keeper.close(case, await self._decide(case))
        return self._respond(kept)

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
            return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE)
        return await self._judge(request, _Ask("verify", question, host, respond_json, started))

    async def _access(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody_api.READING:
            return method_not_allowed("GET")
        question, host = prosody_api.access_question(request), request.headers.get("Host")
        ask = _Ask("access", question, host, prosody_api.respond_access, perf_counter())
        return await self._judge(request, ask)

    async def _check_password(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody_api.READING:
            return method_not_allowed("GET")
        started, asked = perf_counter(), prosody_api.password_question(request)
        question, host = (asked, None) if isinstance(asked, Deny) else asked
        ask = _Ask("check-password", question, host, prosody_api.respond_password, started)
        return await self._judge(request, ask)

    async def _judge(self, request: web.BaseRequest, ask: _Ask) -> web.Response:
        """Response a program's question in its own words."""
        key, judge = ask.key(), self._hosts.find(ask.host)
        kept = self._recall(ask.endpoint, request, key, ask.started)
        if kept is None:
            refused = ask.question if isinstance(ask.question, Deny) else None
            question = AccessRequest(None) if isinstance(ask.question, Deny) else ask.question
            generation = self.gatekeeper.generation
            case = RequestContext(
                ask.endpoint, request, key, generation, ask.started, None, judge, question, refused
            )
            decision = await self._decide(case)
            kept = self.gatekeeper.settle(case, decision, self._rendered(ask, decision))
        return self._respond(kept)

    def _recall(
        self, endpoint: str, request: web.BaseRequest, key: bytes | None, started: float
    ) -> CachedResponse | None:
        keeper = self.gatekeeper
        kept = None if key is None else keeper.recall(key, self._hosts.default.now())
        if kept is not None:
            seconds = perf_counter() - started
            keeper.count(endpoint, kept, seconds, hit=True)
            keeper.write_down(endpoint, kept, request, seconds)
        return kept

    async def _decide(self, case: RequestContext) -> Decision:
        if case.decision is not None:
            return case.decision
        if case.judge is None:
            return UNKNOWN_HOST
        with self.gatekeeper.in_flight():
            return await case.judge.verify(case.question, case.browser)

    def _rendered(self, ask: _Ask, decision: Decision) -> Response:
        if self._report_only and isinstance(decision, Deny):
            return ask.render(Allow()).with_header("X-Jitsi-Would-Deny", decision.code)
        return ask.render(decision)

    def _respond(self, kept: CachedResponse) -> web.Response:
        lines = self._lifetime.lines(kept[1], self._hosts.default.now())
        return to_aiohttp(kept[2] + lines, kept[3])

    async def _user_exists(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in prosody_api.READING:
            return method_not_allowed("GET")
        answer = prosody_api.respond_user_exists()
        return to_aiohttp(answer.head(), answer.body)


async def _healthz(request: web.BaseRequest) -> web.StreamResponse:
    if request.method not in prosody_api.READING:
        return method_not_allowed("GET")
    return web.Response(headers=_PLAIN, body=b"ok\n")

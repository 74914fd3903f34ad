"""The endpoints of the decision address, behind aiohttp: routing, and what each endpoint does.

``proxy_auth`` has the steps of the endpoints for proxies. The fast lane uses the same steps without
this module. ``verify_api`` and ``prosody_api`` read the requests of programs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Final, Literal

from aiohttp import web

from verifier.decisions.cache import CachedResponse, DecisionCache, cache_key
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Observer, wait_for_decision
from verifier.http import original_request, prosody_api
from verifier.http.fast_lane import FastLane
from verifier.http.proxy_auth import ProxyAuthHandler, ProxyAuthOptions, RequestContext
from verifier.http.request_head import READ_METHODS
from verifier.http.responses import (
    NO_STORE,
    SERVER,
    Lifetime,
    Response,
    method_not_allowed,
    not_found,
    problem,
    to_aiohttp,
)
from verifier.http.server import read_body
from verifier.http.verify_api import BadBodyError, parse_body, verify_response
from verifier.observability.decision_log import DecisionLog
from verifier.rooms.url import EXT_AUTHZ_PREFIX
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.model import AccessRequest, Allow, Decision, Deny

Endpoint = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Render = Callable[[Decision], Response]

ProgramEndpoint = Literal["verify", "access", "check-password"]
"""The endpoints for programs, by their names in metrics."""

_TEXT_HEADERS: Final = SERVER | {"Content-Type": "text/plain; charset=utf-8"}


def _refresh_nothing() -> None:
    """Do nothing: without other workers, there are no changes to read."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """A program's request for a decision about one token and one room.

    Attributes:
        endpoint: The endpoint's name in metrics.
        access_request: The token and the room; a denial if the request can be read in two ways.
        host: The virtual host; None for the default.
        render: Makes the response in the form of this endpoint.
        started: When the request came, ``perf_counter``.
    """

    endpoint: ProgramEndpoint
    access_request: AccessRequest | Deny
    host: str | None
    render: Render
    started: float

    def cache_key(self) -> bytes | None:
        """Return the key of the response; None if the response is not cached."""
        if isinstance(self.access_request, Deny):
            return None
        # `repr` leaves the token out, so the token is a part of its own.
        parts = (self.endpoint, self.host, self.access_request.token, self.access_request)
        return cache_key([repr(parts).encode("utf-8", "backslashreplace")])


class DecisionService:
    """Serves the decision address.

    Args:
        hosts: The verifier of each host.
        cache: The decision cache.
        observer: Counts decisions.
        decision_log: Logs decisions.
        options: The options of the decision endpoints.
        refresh: Reads the changes of other workers, and empties the cache if there are any.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a response
        self,
        hosts: Hosts,
        cache: DecisionCache,
        observer: Observer,
        decision_log: DecisionLog,
        options: ProxyAuthOptions,
        refresh: Callable[[], None] = _refresh_nothing,
    ) -> None:
        self._hosts = hosts
        self._report_only = options.report_only
        self._lifetime = Lifetime(options.decision_ttl)
        self._handler = ProxyAuthHandler(hosts, cache, observer, decision_log, options, refresh)
        self.fast_lane = FastLane(self._handler, options.decision_ttl, hosts.default.clock)
        self._endpoints: Mapping[str, Endpoint] = {
            "/v1/verify": self._verify,
            "/access": self._access,
            "/check_password": self._check_password,
            "/user_exists": self._user_exists,
            "/healthz": _healthz,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to one request; 404 for a path that is no endpoint."""
        path = request.raw_path.partition("?")[0]
        if path in original_request.PATHS:
            return await self._proxy_auth(request, original_request.PATHS[path])
        if path.startswith(EXT_AUTHZ_PREFIX + "/"):
            return await self._proxy_auth(request, "ext-authz")
        if path in self._endpoints:
            return await self._endpoints[path](request)
        # Only the keys of the requested host. With another host's key, Prosody would accept tokens
        # that were made for that other host.
        verifier = self._hosts.find(request.headers.get("Host"))
        if verifier is None:
            return not_found()
        key = await prosody_api.respond_key(request, verifier.keys.find_by_digest)
        return key or not_found()

    async def _proxy_auth(self, request: web.BaseRequest, endpoint: str) -> web.Response:
        started, handler = perf_counter(), self._handler
        key = handler.cache_key(endpoint, request)
        response = self._find_cached(endpoint, request, key, started)
        if response is None:
            context = handler.prepare(endpoint, request, key)
            response = handler.finish(context, await self._decide(context))
        return self._to_aiohttp(response)

    async def _verify(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return method_not_allowed("POST")
        body = await read_body(request)
        if isinstance(body, web.Response):
            return body
        started = perf_counter()
        try:
            access, host = parse_body(body)
        except BadBodyError as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE)
        verify = VerifyRequest("verify", access, host, verify_response, started)
        return await self._respond(request, verify)

    async def _access(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in READ_METHODS:
            return method_not_allowed("GET")
        access, host = prosody_api.read_access(request), request.headers.get("Host")
        render = prosody_api.access_response
        verify = VerifyRequest("access", access, host, render, perf_counter())
        return await self._respond(request, verify)

    async def _check_password(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in READ_METHODS:
            return method_not_allowed("GET")
        started, read = perf_counter(), prosody_api.read_password(request)
        access, host = (read, None) if isinstance(read, Deny) else read
        render = prosody_api.password_response
        verify = VerifyRequest("check-password", access, host, render, started)
        return await self._respond(request, verify)

    async def _user_exists(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in READ_METHODS:
            return method_not_allowed("GET")
        response = prosody_api.user_exists_response()
        return to_aiohttp(response.head(), response.body)

    async def _respond(self, request: web.BaseRequest, verify: VerifyRequest) -> web.Response:
        """Return the response to a program."""
        key, verifier = verify.cache_key(), self._hosts.find(verify.host)
        response = self._find_cached(verify.endpoint, request, key, verify.started)
        if response is None:
            read = verify.access_request
            # An ambiguous request has no access request. The empty one is only logged, because
            # the decision exists already.
            context = RequestContext(
                verify.endpoint,
                request,
                key,
                self._handler.cache_generation,
                verify.started,
                verifier=verifier,
                access_request=AccessRequest(None) if isinstance(read, Deny) else read,
                decision=read if isinstance(read, Deny) else None,
            )
            decision = await self._decide(context)
            response = self._handler.record(context, decision, self._render(verify, decision))
        return self._to_aiohttp(response)

    def _find_cached(
        self, endpoint: str, request: web.BaseRequest, key: bytes | None, started: float
    ) -> CachedResponse | None:
        handler = self._handler
        response = None if key is None else handler.find_cached(key, self._hosts.default.clock())
        if response is not None:
            seconds = perf_counter() - started
            handler.count(endpoint, response, seconds, hit=True)
            handler.log(endpoint, response, request, seconds)
        return response

    async def _decide(self, context: RequestContext) -> Decision:
        if context.decision is not None:
            return context.decision
        if context.verifier is None:
            return UNKNOWN_HOST
        with self._handler.track_in_flight():
            decided = context.verifier.verify(context.access_request, context.browser_id)
            return await wait_for_decision(decided)

    def _render(self, verify: VerifyRequest, decision: Decision) -> Response:
        if self._report_only and isinstance(decision, Deny):
            return verify.render(Allow()).with_header("X-Jitsi-Would-Deny", decision.code)
        return verify.render(decision)

    def _to_aiohttp(self, response: CachedResponse) -> web.Response:
        lifetime = self._lifetime.lines(response.cacheable_until, self._hosts.default.clock())
        return to_aiohttp(response.head + lifetime, response.body)


async def _healthz(request: web.BaseRequest) -> web.StreamResponse:
    if request.method not in READ_METHODS:
        return method_not_allowed("GET")
    return web.Response(headers=_TEXT_HEADERS, body=b"ok\n")

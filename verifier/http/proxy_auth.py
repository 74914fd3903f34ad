"""The decision endpoints for proxies: from a request to its response, in three steps.

1. ``prepare`` reads the original request and decides what needs no token.
2. The caller calls the verifier. It may have to wait for a key or for a signature's turn, and the
   fast lane and aiohttp wait in different ways. So this step is not here.
3. ``finish`` makes the response, counts it, logs it and caches it.

A caller first calls ``find_cached``: a cached response needs none of the three steps. The fast lane
and, behind aiohttp, ``decision_service`` both use these steps with the same cache keys, so that
their responses cannot differ. This module knows no sockets and no bytes of requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

from verifier.decisions.bypass import Bypass
from verifier.decisions.cache import CachedResponse, DecisionCache, cache_key
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Observer, Verifier
from verifier.http.original_request import CONVENTIONS, OriginalRequest, read_original
from verifier.http.pages import Pages
from verifier.http.request_head import RequestHead, peer_of, sole_header
from verifier.http.responses import (
    Response,
    decision_response,
    denial_response,
    would_deny_response,
)
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext
from verifier.rooms.address import RoomAddress
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.model import AccessRequest, Allow, Decision, Deny
from verifier.rules.room import access_request

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(
    r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?",
)
# Host belongs to every cache key, even where an endpoint does not read it. The fast lane looks up
# the cache before it checks Host, and a malformed Host must not find another request's response.
_KEY_HEADERS: Final = ("Host", "Authorization")
_HANDOFF_HEADERS: Final = ("Cookie", "Sec-Fetch-Dest", "X-Jitsi-Handoff")


@dataclass(frozen=True, slots=True)
class ProxyAuthOptions:
    """The options of the decision endpoints.

    Attributes:
        decision_ttl: The longest time, seconds, that a proxy may cache an allow.
        token_cookie: The name of the cookie that may hold a token; None for none.
        bypass: Decides which clients need no token.
        pages: Adds redirects and hand-offs to the responses to page requests.
        report_only: Whether denials are only reported.
    """

    decision_ttl: int = 30
    token_cookie: str | None = None
    bypass: Bypass = Bypass()  # noqa: RUF009  # immutable
    pages: Pages = Pages()  # noqa: RUF009  # immutable
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request before its decision: what was read from it, and which verifier decides.

    Attributes:
        endpoint: The endpoint's name in metrics.
        request: The proxy's request.
        cache_key: The key of its response; None if the response is not cached.
        cache_generation: The cache's generation when the request came.
        started: When the request came, ``perf_counter``.
        original: The original request; None if it is ambiguous or there is none.
        verifier: The verifier of the request's host; None if ``prepare`` has decided already, or
            if the host has no verifier.
        access_request: What the verifier is to decide.
        decision: The decision of ``prepare``; None if the verifier is to decide.
        browser_id: The id of the client's browser, for single use; None without one.
    """

    endpoint: str
    request: RequestHead = field(repr=False)
    cache_key: bytes | None
    cache_generation: int
    started: float
    original: OriginalRequest | None = None
    verifier: Verifier | None = None
    access_request: AccessRequest = AccessRequest(None)  # noqa: RUF009  # immutable
    decision: Decision | None = None
    browser_id: str | None = field(default=None, repr=False)

    @property
    def address(self) -> RoomAddress | None:
        """The room that the original request names."""
        return None if self.original is None else self.original.target.address


class ProxyAuthHandler:
    """Prepares and finishes the requests of proxies.

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
        refresh: Callable[[], None],
    ) -> None:
        self._hosts = hosts
        self._cache = cache
        self._observer = observer
        self._log = decision_log
        self._options = options
        self._refresh = refresh
        self.key_headers: Mapping[str, tuple[str, ...]] = {
            name: (*dict.fromkeys((*_KEY_HEADERS, *convention.headers)), *self._option_headers())
            for name, convention in CONVENTIONS.items()
        }
        """For each endpoint the headers that its responses depend on."""

    def cache_key(self, endpoint: str, request: RequestHead) -> bytes | None:
        """Return the key of a request's response; None if one of the headers is doubled."""
        convention, headers = CONVENTIONS[endpoint], request.headers
        parts: list[bytes | None] = [endpoint.encode(), _path_part(endpoint, request.raw_path)]
        for name in self.key_headers[endpoint]:
            values = headers.getall(name, ())
            if len(values) > 1:
                return None
            parts.append(values[0].encode("utf-8", "surrogateescape") if values else None)
        if convention.method_header and len(headers.getall(convention.method_header, ())) > 1:
            return None
        return cache_key(parts)

    def find_cached(self, key: bytes, now: float) -> CachedResponse | None:
        """Return the cached response that is valid at ``now``, Unix seconds."""
        self._refresh()
        return self._cache.get(key, now)

    def prepare(self, endpoint: str, request: RequestHead, key: bytes | None) -> RequestContext:
        """Read the original request; decide it here if the decision does not depend on a token."""
        started, generation = perf_counter(), self._cache.generation
        cookie = self._options.token_cookie
        original = read_original(request, CONVENTIONS[endpoint], cookie)
        if isinstance(original, Deny):
            return RequestContext(endpoint, request, key, generation, started, decision=original)
        address, verifier = original.target.address, self._hosts.find(original.host)
        if verifier is None:
            return RequestContext(
                endpoint, request, key, generation, started, original, decision=UNKNOWN_HOST
            )
        access = access_request(original.token, address, verifier.policy)
        context = RequestContext(
            endpoint, request, key, generation, started, original, verifier, access
        )
        if original.token is None and address and self._needs_no_token(request, original):
            # Not cached: the cache key does not contain the client's address, and the cache does
            # not know when a hand-off cookie ends.
            decision = verifier.allow_without_token(access)
            return replace(context, cache_key=None, verifier=None, decision=decision)
        if original.token is not None and verifier.single_use is not None:
            return replace(context, browser_id=self._options.pages.browser_id(request, original))
        return context

    def finish(self, context: RequestContext, decision: Decision) -> CachedResponse:
        """Return the response to a proxy, after ``record``."""
        handoff = None
        if context.original is not None and isinstance(decision, Allow):
            handoff = self._options.pages.handoff_response(
                context.request, context.endpoint, context.original, decision, context.browser_id
            )
        if handoff is not None:
            # Not cached: the response contains the token, and the cache must contain no token.
            return self.record(replace(context, cache_key=None), decision, handoff)
        return self.record(context, decision, self._response(context, decision))

    def record(
        self, context: RequestContext, decision: Decision, response: Response
    ) -> CachedResponse:
        """Count a response, log it, and cache it while it is valid."""
        now = self._hosts.default.clock()
        cached = CachedResponse(
            self._cache.valid_until(decision, now),
            response.cacheable_until,
            response.head(),
            response.body,
            self._observer.outcome_index(
                context.endpoint, decision, enforced=not self._options.report_only
            ),
            self._log.record(decision, context.access_request, context.address, context.verifier),
        )
        # A decision must not be cached if keys or revocations have changed since it began.
        is_current = context.cache_generation == self._cache.generation
        if context.cache_key and is_current and _is_cacheable(context, decision):
            self._cache.put(context.cache_key, cached, now)
        seconds = perf_counter() - context.started
        self.count(context.endpoint, cached, seconds, hit=False)
        self.log(context.endpoint, cached, context.request, seconds)
        return cached

    @property
    def cache_generation(self) -> int:
        """The cache's generation, which changes when the cache is emptied."""
        return self._cache.generation

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""
        return self._observer.track_in_flight()

    def count(self, endpoint: str, response: CachedResponse, seconds: float, *, hit: bool) -> None:
        """Count a decision, and whether it came from the cache."""
        self._observer.count_cache_lookup(hit=hit)
        self._observer.count_decision(endpoint, response.outcome, seconds)

    def log(
        self, endpoint: str, response: CachedResponse, request: RequestHead, seconds: float
    ) -> None:
        """Log a decision if a sink wants it."""
        if response.log_record:
            self._log.write(response.log_record, _log_context(endpoint, request, seconds))

    def _response(self, context: RequestContext, decision: Decision) -> Response:
        if not isinstance(decision, Deny):
            cacheable = _is_cacheable(context, decision)
            return decision_response(decision, context.address, cacheable=cacheable)
        if self._options.report_only:
            return would_deny_response(decision)
        response = denial_response(decision)
        if context.original is None:
            return response
        return self._options.pages.with_redirect(response, context.original, decision)

    def _needs_no_token(self, request: RequestHead, original: OriginalRequest) -> bool:
        address = sole_header(request, "X-Real-IP")
        if address is not None and self._options.bypass.applies(peer_of(request), address):
            return True
        return self._options.pages.admits(request, original)

    def _option_headers(self) -> tuple[str, ...]:
        """Return the headers that a response depends on because of an option."""
        if self._options.pages.hands_off:
            return _HANDOFF_HEADERS
        return () if self._options.token_cookie is None else ("Cookie",)


def _is_cacheable(context: RequestContext, decision: Decision) -> bool:
    """Return whether request and single use permit to cache; the cache looks at the code."""
    verifier = context.verifier
    redeemed = verifier is not None and verifier.is_redeemed(context.access_request, decision)
    return context.cache_key is not None and not redeemed


def _path_part(endpoint: str, raw_path: str) -> bytes | None:
    """Return the part of a request-target that a response depends on; None for none."""
    return raw_path.encode("utf-8", "surrogateescape") if endpoint == "ext-authz" else None


def _log_context(endpoint: str, request: RequestHead, seconds: float) -> LogContext:
    """Return what the log may hold of a request: the proxy's id for it, or its trace id."""
    traceparent = sole_header(request, "traceparent")
    trace = _TRACEPARENT.fullmatch(traceparent or "")
    request_id = sole_header(request, "X-Request-Id") or (trace and trace[1])
    return LogContext(endpoint, seconds, request_id or None, traceparent if trace else None)

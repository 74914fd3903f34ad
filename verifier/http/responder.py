"""From a request that has been read to its response: cache, verifier, records.

All decision endpoints use this module. Each reads its own requests and renders its own responses.
A cached response needs no verifier. A decision that waits for nothing is answered at once; a
coroutine answers the others.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final, TypeAlias

from verifier.decisions.cache import CachedResponse, DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.trusted_proxies import TrustedProxies
from verifier.decisions.verifier import Decided, Observer, Verifier
from verifier.http.original_request import OriginalRequest
from verifier.http.request import Request
from verifier.http.responses import Answer, Lifetime, Rendered, Response
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext
from verifier.rooms.address import RoomAddress
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.model import AccessRequest, Allow, Decision, Deny

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(
    r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?",
)
_NO_ACCESS_REQUEST: Final = AccessRequest(None)


class RequestContext:
    """One request before its decision: what was read from it, and which verifier decides.

    A plain class, because a frozen dataclass takes three times as long to make. Nothing changes a
    context after it was made.

    Attributes:
        endpoint: The endpoint's name in metrics.
        request: The request of the proxy or program.
        cache_key: The key of its response; None if the response is not cached.
        cache_generation: The cache's generation when the request came.
        started: When the request came, ``perf_counter``.
        original: The original request; None if it is ambiguous or there is none.
        verifier: The verifier of the request's host; None if the host has none, or if ``decision``
            exists already.
        access_request: What the verifier is to decide; empty if there is a ``decision``.
        decision: A decision that was made while the request was read, or a coroutine that returns
            it; None if the verifier is to decide.
        browser_id: The id of the client's browser, for single use; None without one.
    """

    __slots__ = (
        "access_request",
        "browser_id",
        "cache_generation",
        "cache_key",
        "decision",
        "endpoint",
        "original",
        "request",
        "started",
        "verifier",
    )

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a context
        self,
        endpoint: str,
        request: Request,
        cache_key: bytes | None,
        cache_generation: int,
        started: float,
        original: OriginalRequest | None = None,
        verifier: Verifier | None = None,
        access_request: AccessRequest = _NO_ACCESS_REQUEST,
        decision: Decided | None = None,
        browser_id: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.request = request
        self.cache_key = cache_key
        self.cache_generation = cache_generation
        self.started = started
        self.original = original
        self.verifier = verifier
        self.access_request = access_request
        self.decision = decision
        self.browser_id = browser_id

    @property
    def address(self) -> RoomAddress | None:
        """The room that the original request names."""
        return None if self.original is None else self.original.target.address

    @property
    def is_keep_alive(self) -> bool:
        """Whether the original request is a keep-alive, which is no attempt to enter a room."""
        return self.original is not None and self.original.is_keep_alive

    def permits_caching(self, decision: Decision) -> bool:
        """Return whether the request permits to cache this decision's response.

        A response to a redeemed token must not be sent again. The cache itself knows which codes
        it must not keep.
        """
        if self.cache_key is None:
            return False
        verifier = self.verifier
        return verifier is None or not verifier.is_redeemed(self.access_request, decision)


Render: TypeAlias = Callable[[RequestContext, Decision], Response]


class Responder:
    """Finds or makes the response to a request; counts it, logs it and caches it.

    Args:
        hosts: The verifier of each host.
        cache: The decision cache.
        observer: Counts decisions.
        decision_log: Logs decisions.
        decision_ttl: The longest time, seconds, that a proxy may cache an allow.
        report_only: Whether denials are only reported.
        refresh: Reads the changes of other workers, and empties the cache if there are any.
        proxies: The proxies that say the truth about a client's address, for records.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what a response passes through
        self,
        hosts: Hosts,
        cache: DecisionCache,
        observer: Observer,
        decision_log: DecisionLog,
        decision_ttl: int,
        report_only: bool,
        refresh: Callable[[], None],
        proxies: TrustedProxies,
    ) -> None:
        self._clock = hosts.default.clock
        self._cache = cache
        self._observer = observer
        self._log = decision_log
        self._lifetime = Lifetime(decision_ttl)
        self._report_only = report_only
        self._refresh = refresh
        self._proxies = proxies

    @property
    def cache_generation(self) -> int:
        """The cache's generation, which changes when the cache is emptied."""
        return self._cache.generation

    def count_preflight(self, endpoint: str) -> None:
        """Count a preflight that was let through; it is no decision."""
        self._observer.count_preflight(endpoint)

    def find_cached(
        self, endpoint: str, request: Request, key: bytes, started: float
    ) -> Rendered | None:
        """Return the cached response to a request, counted and logged.

        Args:
            endpoint: The endpoint's name in metrics.
            request: The request.
            key: The key of its response.
            started: When the request came, ``perf_counter``.
        """
        now = self._clock()
        self._refresh()
        cached = self._cache.get(key, now)
        if cached is None:
            return None
        observer, seconds = self._observer, perf_counter() - started
        observer.count_cache_lookup(hit=True)
        observer.count_decision(cached.outcome, seconds)
        if cached.log_record:
            self._log.write(cached.log_record, self._log_context(endpoint, request, seconds))
        return cached.head + self._lifetime.lines(cached.cacheable_until, now), cached.body

    def respond(self, context: RequestContext, render: Render) -> Answer:
        """Decide a request, and return its response; a coroutine if the decision must wait.

        Args:
            context: The request.
            render: Makes the response in the form of the endpoint.
        """
        decided = context.decision
        if decided is None:
            if context.verifier is None:
                return self._finish(context, UNKNOWN_HOST, render)
            decided = context.verifier.verify(context.access_request, context.browser_id)
        if not isinstance(decided, (Allow, Deny)):
            return self._finish_later(context, decided, render)
        return self._finish(context, decided, render)

    async def _finish_later(
        self, context: RequestContext, decision: Awaitable[Decision], render: Render
    ) -> Rendered:
        with self._observer.track_in_flight():
            return self._finish(context, await decision, render)

    def _finish(self, context: RequestContext, decision: Decision, render: Render) -> Rendered:
        response, is_keep_alive = render(context, decision), context.is_keep_alive
        now = self._clock()
        cached = CachedResponse(
            self._cache.valid_until(decision, now),
            response.cacheable_until,
            response.head(),
            response.body,
            self._observer.outcome_index(
                context.endpoint,
                decision,
                enforced=not self._report_only,
                is_keep_alive=is_keep_alive,
            ),
            self._log.record(
                decision,
                context.access_request,
                context.address,
                context.verifier,
                is_keep_alive=is_keep_alive,
            ),
        )
        # A decision must not be cached if keys or revocations have changed since it began.
        is_current = context.cache_generation == self._cache.generation
        if is_current and not response.has_token and context.permits_caching(decision):
            self._cache.put(context.cache_key or b"", cached, now)
        seconds = perf_counter() - context.started
        self._observer.count_cache_lookup(hit=False)
        self._observer.count_decision(cached.outcome, seconds)
        token = context.access_request.token
        if token is not None and not is_keep_alive:
            client = context.request.fields.get(b"x-real-ip")
            self._observer.count_token((hash(token), cached.outcome, client))
        if cached.log_record:
            self._log.write(
                cached.log_record, self._log_context(context.endpoint, context.request, seconds)
            )
        return cached.head + self._lifetime.lines(cached.cacheable_until, now), cached.body

    def _log_context(self, endpoint: str, request: Request, seconds: float) -> LogContext:
        """Return what the log may hold of a request: its id or its trace id, and its client."""
        traceparent = request.sole(b"traceparent")
        trace = _TRACEPARENT.fullmatch(traceparent or "")
        request_id = request.sole(b"x-request-id") or (trace and trace[1])
        client = None
        if self._log.personal_data:
            client = self._proxies.client_address(request.peer, request.sole(b"x-real-ip"))
        return LogContext(
            endpoint, seconds, request_id or None, traceparent if trace else None, client
        )

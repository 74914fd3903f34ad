"""From a proxy's question to its answer, in steps that can wait for a key between them.

What both ways in share: aiohttp's (``service``) and the fast lane. Knows neither sockets nor
bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

from verifier.decisions.bypass import Bypass
from verifier.decisions.cache import CachedResponse, DecisionCache, digest
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Observer, Verifier
from verifier.http import original_request
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

_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
# Every endpoint refuses a Host that is none, whether it reads it or not.
_ALWAYS: Final = ("Host", "Authorization")
_HANDOFF: Final = ("Cookie", "Sec-Fetch-Dest", "X-Jitsi-Handoff")


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What an operator can set about the decision endpoints.

    Attributes:
        decision_ttl: The longest time, seconds, that a proxy may keep an allow.
        token_cookie: Name of the cookie that may hold a token; None where none may.
        bypass: Knows the service participants that need no token.
        pages: Completes the answers to page requests.
        report_only: Whether refusals are only reported.
    """

    decision_ttl: int = 30
    token_cookie: str | None = None
    bypass: Bypass = Bypass()  # noqa: RUF009  # immutable
    pages: Pages = Pages()  # noqa: RUF009  # immutable
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A question on its way to its answer.

    Attributes:
        endpoint: Which one was asked.
        asked: The request.
        key: What its answer is kept under; None for one that is not kept.
        generation: The cache's, when the question came.
        started: When it came, ``perf_counter``.
        original: What the proxy asks about; None where that is ambiguous.
        judge: Who decides; None where that is decided already.
        question: What is to be decided.
        decision: What is decided already.
        browser: What the browser that asks is known by; only where tokens let in once.
    """

    endpoint: str
    asked: RequestHead = field(repr=False)
    key: bytes | None
    generation: int
    started: float
    original: original_request.Original | None = None
    judge: Verifier | None = None
    question: AccessRequest = AccessRequest(None)  # noqa: RUF009  # immutable
    decision: Decision | None = None
    browser: str | None = field(default=None, repr=False)

    @property
    def address(self) -> RoomAddress | None:
        """The room that the original request names."""
        return None if self.original is None else self.original.target.address


class ProxyAuthHandler:
    """Responses proxies.

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
        refresh: Callable[[], None],
    ) -> None:
        self._hosts = hosts
        self._cache = cache
        self._observer = observer
        self._log = decision_log
        self._options = options
        self._refresh = refresh
        self.varying: Mapping[str, tuple[str, ...]] = {
            name: (*dict.fromkeys((*_ALWAYS, *convention.names)), *self._on_demand())
            for name, convention in original_request.CONVENTIONS.items()
        }
        """For each endpoint the headers that its answers depend on."""

    def key(self, endpoint: str, asked: RequestHead) -> bytes | None:
        """Give what the answer is kept under; None where a header is there twice."""
        convention, headers = original_request.CONVENTIONS[endpoint], asked.headers
        parts: list[bytes | None] = [endpoint.encode(), path_part(endpoint, asked.raw_path)]
        for name in self.varying[endpoint]:
            values = headers.getall(name, ())
            if len(values) > 1:
                return None
            parts.append(values[0].encode("utf-8", "surrogateescape") if values else None)
        if convention.method and len(headers.getall(convention.method, ())) > 1:
            return None
        return digest(parts)

    def recall(self, key: bytes, now: float) -> CachedResponse | None:
        """Give an answer that still holds at ``now``, Unix seconds."""
        self._refresh()
        return self._cache.get(key, now)

    def open(self, endpoint: str, asked: RequestHead, key: bytes | None) -> RequestContext:
        """Read a question, and decide it where no token needs to be looked at."""
        started, generation = perf_counter(), self._cache.generation
        convention, cookie = original_request.CONVENTIONS[endpoint], self._options.token_cookie
        original = original_request.read_original(asked, convention, cookie)
        if isinstance(original, Deny):
            return RequestContext(endpoint, asked, key, generation, started, decision=original)
        address, judge = original.target.address, self._hosts.find(original.host)
        if judge is None:
            return RequestContext(
                endpoint, asked, key, generation, started, original, decision=UNKNOWN_HOST
            )
        question = access_request(original.token, address, judge.policy)
        case = RequestContext(endpoint, asked, key, generation, started, original, judge, question)
        if original.token is None and address and self._needs_no_token(asked, original):
            # Not to be kept: proxies remember by token and URL, not by address or cookie.
            return replace(case, key=None, judge=None, decision=judge.allow_without_token(question))
        if original.token is not None and judge.single_use is not None:
            return replace(case, browser=self._options.pages.browser(asked, original))
        return case

    def close(self, case: RequestContext, decision: Decision) -> CachedResponse:
        """Response a proxy's question."""
        handed_off = None
        if case.original is not None and isinstance(decision, Allow):
            pages = self._options.pages
            asked, name, browser = case.asked, case.endpoint, case.browser
            handed_off = pages.hand_off(asked, name, case.original, decision, browser)
        if handed_off is not None:  # which holds the token, and must not be kept
            return self.settle(replace(case, key=None), decision, handed_off)
        return self.settle(case, decision, self._answer(case, decision))

    def settle(self, case: RequestContext, decision: Decision, answer: Response) -> CachedResponse:
        """Count an answer, write it down, and keep it while it holds."""
        now = self._hosts.default.now()
        kept = (
            self._cache.holds_until(decision, now),
            answer.cacheable_until,
            answer.head(),
            answer.body,
            self._observer.outcome_index(
                case.endpoint, decision, enforced=not self._options.report_only
            ),
            self._log.record(decision, case.question, case.address, case.judge),
        )
        # What was judged by keys that have been dropped meanwhile must not be kept.
        fresh = case.generation == self._cache.generation
        if case.key and fresh and _may_be_kept(case, decision):
            self._cache.put(case.key, kept, now)
        seconds = perf_counter() - case.started
        self.count(case.endpoint, kept, seconds, hit=False)
        self.write_down(case.endpoint, kept, case.asked, seconds)
        return kept

    @property
    def generation(self) -> int:
        """The cache's generation: another one has forgotten what this one knew."""
        return self._cache.generation

    def in_flight(self) -> AbstractContextManager[None]:
        """Count a question while it is being judged, or waits for that."""
        return self._observer.track_in_flight()

    def count(self, endpoint: str, kept: CachedResponse, seconds: float, *, hit: bool) -> None:
        """Count an answer, and whether it had been kept."""
        self._observer.count_cache_lookup(hit=hit)
        self._observer.count_decision(endpoint, kept[4], seconds)

    def write_down(
        self, endpoint: str, kept: CachedResponse, asked: RequestHead, seconds: float
    ) -> None:
        """Have an answer written down, where anybody wants it."""
        if kept[5]:
            self._log.write(kept[5], asking(endpoint, asked, seconds))

    def _answer(self, case: RequestContext, decision: Decision) -> Response:
        if isinstance(decision, Deny):
            if self._options.report_only:
                return would_deny_response(decision)
            answer = denial_response(decision)
            if case.original is None:
                return answer
            return self._options.pages.send_on(answer, case.original, decision)
        return decision_response(decision, case.address, cacheable=_may_be_kept(case, decision))

    def _needs_no_token(self, asked: RequestHead, original: original_request.Original) -> bool:
        options = self._options
        address = sole_header(asked, "X-Real-IP")
        if address is not None and options.bypass.applies(peer_of(asked), address):
            return True
        return options.pages.admits(asked, original)

    def _on_demand(self) -> tuple[str, ...]:
        if self._options.pages.hands_off:
            return _HANDOFF
        return () if self._options.token_cookie is None else ("Cookie",)


def _may_be_kept(case: RequestContext, decision: Decision) -> bool:
    """Tell whether the next one with the same question gets the same answer."""
    once = case.judge is not None and case.judge.is_redeemed(case.question, decision)
    return case.key is not None and not once


def path_part(endpoint: str, raw_path: str) -> bytes | None:
    """Give the part of a request-target that its answer depends on; None for none."""
    return raw_path.encode("utf-8", "surrogateescape") if endpoint == "ext-authz" else None


def asking(endpoint: str, asked: RequestHead, seconds: float) -> LogContext:
    """Say what may be told of a request: the proxy's name for it, or its trace's."""
    traceparent = sole_header(asked, "traceparent")
    trace = _TRACE.fullmatch(traceparent or "")
    request_id = sole_header(asked, "X-Request-Id") or (trace and trace[1])
    return LogContext(endpoint, seconds, request_id or None, traceparent if trace else None)

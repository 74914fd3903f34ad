"""The fast lane: answers the usual request of a proxy from its bytes, without aiohttp.

A cached decision takes about 8 µs here. It takes many times as long through aiohttp, whose parser
and request objects cost more than the decision does. The price is a second reader of requests. This
reader must not accept anything that aiohttp refuses, and must read everything as aiohttp does. So
it takes a head only if

- the request line is one of a fixed list, or an Envoy path of plain characters;
- each header is in a fixed list, occurs once, and is written as in the list or in lower case;
- one space follows each colon, and no value contains two spaces in a row or ends with one;
- all bytes are printable ASCII.

Any other head, however harmless, goes to aiohttp unchanged. So does a request whose decision has to
wait for a key or for the store of redemptions. Both readers use the same ``ProxyAuthHandler`` and
the same cache keys; tests/unit/http/test_fast_lane.py holds that their responses are equal.

``connection`` decides which bytes are a head. This module applies no rule.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from time import perf_counter
from typing import Final

from multidict import CIMultiDict

from verifier.decisions.cache import CachedResponse, cache_key
from verifier.decisions.verifier import Verifier, needs_key
from verifier.http import original_request
from verifier.http.proxy_auth import ProxyAuthHandler, RequestContext
from verifier.http.request_head import ParsedHead
from verifier.http.responses import HttpDate, Lifetime
from verifier.rooms.host import is_host_header
from verifier.rooms.url import EXT_AUTHZ_PREFIX
from verifier.rules.denials import OVERLOADED, UNKNOWN_HOST
from verifier.rules.engine import SignatureCheck
from verifier.rules.model import Decision

MakeResponse = Callable[[], bytes | None]
"""Makes a deferred response; None if aiohttp has to answer the request after all."""

RespondLater = Callable[[MakeResponse], None]
"""Is called with ``MakeResponse`` when the response can be made."""

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_EXT_AUTHZ: Final = re.compile(
    f"({'|'.join(_METHODS)}) ({EXT_AUTHZ_PREFIX}/".encode() + rb"[A-Za-z0-9/?&=._~%+-]*) HTTP/1\.1"
)
_USED_HEADERS: Final = frozenset(
    (
        *("Host", "Authorization", "Cookie", "X-Real-IP", "Sec-Fetch-Dest", "X-Jitsi-Handoff"),
        *("X-Request-Id", "traceparent"),
        *chain.from_iterable(
            convention.all_headers for convention in original_request.CONVENTIONS.values()
        ),
    )
)
# Headers that browsers and proxies send and that change no response. `Connection` is not one of
# them, nor is any header that announces a body or an upgrade: those change what follows the head.
_IGNORED_HEADERS: Final = frozenset(
    (
        *("User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Referer", "Origin"),
        *("Cache-Control", "Pragma", "DNT", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User"),
        *("Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Upgrade-Insecure-Requests"),
        *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server"),
        *("X-Scheme", "X-Envoy-Internal", "X-Envoy-Expected-Rq-Timeout-Ms", "Via", "tracestate"),
        *("If-None-Match", "If-Modified-Since", "Range", "Priority"),
    )
)
_CONNECTION: Final = "Connection"
_KEEP_ALIVE: Final = (None, b"keep-alive", b"Keep-Alive")
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_CRLF: Final = b"\r\n"


class Deferred(Enum):
    """The response follows later, through ``RespondLater``."""

    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class _Route:
    endpoint: str
    method: str
    path: str = field(repr=False)
    key_parts: tuple[bytes, bytes | None] = field(repr=False)
    """The parts of the cache key that come from the request line."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """The header names in one spelling, as bytes.

    Attributes:
        names: All headers that the fast lane accepts.
        host: ``Host``.
        connection: ``Connection``.
        key_headers: For each endpoint the headers of the cache key.
    """

    names: frozenset[bytes]
    host: bytes
    connection: bytes
    key_headers: Mapping[str, tuple[bytes, ...]]


_ROUTES: Final = {
    f"{method} {path} HTTP/1.1".encode(): _Route(endpoint, method, path, (endpoint.encode(), None))
    for path, endpoint in original_request.PATHS.items()
    for method in _METHODS
}
# A longer head has a doubled or an unknown header.
_MOST_HEADERS: Final = len(_USED_HEADERS | _IGNORED_HEADERS | {_CONNECTION})
# Line ends by their number. A head has one after the request line, one after each header, and one
# that is the empty line.
_LINE_ENDS: Final = [_CRLF * n for n in range((1 + _MOST_HEADERS + 1) + 1)]


class FastLane:
    """Answers whole heads.

    Args:
        handler: Looks up, prepares and finishes requests.
        decision_ttl: The longest time, seconds, that a proxy may cache an allow.
        clock: Unix time, seconds.
    """

    def __init__(
        self, handler: ProxyAuthHandler, decision_ttl: int, clock: Callable[[], float]
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._date = HttpDate()
        self._lifetime = Lifetime(decision_ttl)
        # Some proxies send header names as in the lists, others in lower case; a mix is rare.
        self._as_listed = _spell(str.__str__, handler.key_headers)
        self._in_lower_case = _spell(str.lower, handler.key_headers)

    def answer(
        self, head: bytes, transport: asyncio.Transport | None, respond_later: RespondLater
    ) -> bytes | Deferred | None:
        """Answer one head.

        Args:
            head: The bytes from the request line to the empty line, with nothing behind it.
            transport: The connection's transport.
            respond_later: Is called once if the response is deferred.

        Returns:
            The bytes of the response; None if aiohttp has to answer.
        """
        # One long function, because each call of a helper would cost a tenth of a microsecond.
        started = perf_counter()
        lines = head[:-4].split(_CRLF)
        if len(lines) > 1 + _MOST_HEADERS:
            return None
        # What remains without printable ASCII must be the line ends at which the head was split.
        # This refuses a lone CR or LF, which another parser could take for the end of a line.
        if head.translate(None, _PRINTABLE) != _LINE_ENDS[len(lines) + 1]:
            return None
        # Parsers strip different spaces from a value, so a value must have none to strip.
        if b"  " in head or b" \r\n" in head:
            return None
        try:
            fields = dict([line.split(b": ", 1) for line in lines[1:]])
        except ValueError:  # a line without ": "
            return None
        # Fewer fields than lines means that a header is doubled.
        if len(fields) != len(lines) - 1:
            return None
        names = fields.keys()
        if names <= self._as_listed.names:
            spelling = self._as_listed
        elif names <= self._in_lower_case.names:
            spelling = self._in_lower_case
        else:
            return None
        if spelling.host not in fields or fields.get(spelling.connection) not in _KEEP_ALIVE:
            return None
        route = _ROUTES.get(lines[0]) or _ext_authz_route(lines[0])
        if route is None:
            return None

        endpoint = route.endpoint
        key = cache_key([*route.key_parts, *map(fields.get, spelling.key_headers[endpoint])])
        now = self._clock()
        cached = self._handler.find_cached(key, now)
        if cached is None:
            return self._decide(route, fields, key, transport, respond_later)
        seconds = perf_counter() - started
        self._handler.count(endpoint, cached, seconds, hit=True)
        if cached.log_record:
            self._handler.log(endpoint, cached, _request(route, fields, transport), seconds)
        return self._to_bytes(route.method, cached, now)

    def _decide(
        self,
        route: _Route,
        fields: dict[bytes, bytes],
        key: bytes,
        transport: asyncio.Transport | None,
        respond_later: RespondLater,
    ) -> bytes | Deferred | None:
        request = _request(route, fields, transport)
        # aiohttp's reader answers such a request with 400, so this one must not decide it.
        if not is_host_header(request.headers["Host"]):
            return None
        context = self._handler.prepare(route.endpoint, request, key)
        verifier = context.verifier
        if verifier is None:
            return self._finish(context, context.decision or UNKNOWN_HOST)
        # A question to the store of redemptions needs an `await`, which only aiohttp's path has.
        if verifier.single_use is not None and context.access_request.token is not None:
            return None
        decision = verifier.begin(context.access_request)
        if isinstance(decision, SignatureCheck):
            if self._defer(context, verifier, decision, respond_later):
                return Deferred.DEFERRED
            decision = OVERLOADED
        # Without a decision, the key must be fetched, which needs an `await` too.
        return None if decision is None else self._finish(context, decision)

    def _defer(
        self,
        context: RequestContext,
        verifier: Verifier,
        check: SignatureCheck,
        respond_later: RespondLater,
    ) -> bool:
        """Queue a signature check; return False if too many checks are waiting."""
        in_flight = ExitStack()

        def make_response() -> bytes | None:
            decision = verifier.finish(check)
            # The key may have been dropped since the check was queued. aiohttp then prepares the
            # request again, and fetches the key; this is rare, so its double cost is accepted.
            return None if needs_key(decision) else self._finish(context, decision)

        def take_turn() -> None:
            with in_flight:
                respond_later(make_response)

        if not verifier.throttle.queue(take_turn):
            return False
        in_flight.enter_context(self._handler.track_in_flight())
        return True

    def _finish(self, context: RequestContext, decision: Decision) -> bytes:
        response = self._handler.finish(context, decision)
        return self._to_bytes(context.request.method, response, self._clock())

    def _to_bytes(self, method: str, response: CachedResponse, now: float) -> bytes:
        body = b"" if method == "HEAD" else response.body
        lifetime = self._lifetime.lines(response.cacheable_until, now)
        return b"".join((response.head, lifetime, self._date.line(now), _CRLF, body))


def _spell(write: Callable[[str], str], key_headers: Mapping[str, tuple[str, ...]]) -> _Spelling:
    def spelled(name: str) -> bytes:
        return write(name).encode()

    return _Spelling(
        frozenset(map(spelled, _USED_HEADERS | _IGNORED_HEADERS | {_CONNECTION})),
        spelled("Host"),
        spelled(_CONNECTION),
        {endpoint: tuple(map(spelled, names)) for endpoint, names in key_headers.items()},
    )


def _ext_authz_route(line: bytes) -> _Route | None:
    match = _EXT_AUTHZ.fullmatch(line)
    if match is None:
        return None
    method, path = match[1].decode(), match[2].decode()
    return _Route("ext-authz", method, path, (b"ext-authz", match[2]))


def _request(
    route: _Route, fields: dict[bytes, bytes], transport: asyncio.Transport | None
) -> ParsedHead:
    headers = CIMultiDict((name.decode(), value.decode()) for name, value in fields.items())
    return ParsedHead(route.method, route.path, headers, transport)

"""The fast lane: a proxy's everyday question, answered from its bytes.

A head is taken only if every byte of it is understood: one of a few request lines, header fields
from a fixed list, each once, in one of two spellings, with one space behind the colon and
printable ASCII without doubled blanks in the value. Anything else, however harmless, is left to
aiohttp, untouched; so is a token whose key has to be fetched first, or that lets in once. Both ways
in ask the same gatekeeper and keep answers under the same keys, so that they cannot tell two
stories (tests/unit/http/test_fast_lane.py holds them to each other).

Knows no rule, and nothing of where in a stream a head begins: ``connection`` does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from time import perf_counter
from typing import Final

from multidict import CIMultiDict

from verifier.decisions.cache import CachedResponse, digest
from verifier.decisions.verifier import Verifier, needs_key
from verifier.http import original_request
from verifier.http.proxy_auth import ProxyAuthHandler, RequestContext
from verifier.http.request_head import ParsedHead
from verifier.http.responses import HttpDate, Lifetime
from verifier.rooms.host import is_host_header
from verifier.rules.denials import OVERLOADED, UNKNOWN_HOST
from verifier.rules.engine import SignatureCheck

Deliver = Callable[[Callable[[], bytes | None]], None]
"""Is called when the answer's turn has come, with what makes it: bytes, or None where aiohttp is to
answer after all."""

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_EXT_AUTHZ: Final = re.compile(
    f"({'|'.join(_METHODS)}) ({original_request.EXT_AUTHZ}/".encode()
    + rb"[A-Za-z0-9/?&=._~%+-]*) HTTP/1\.1"
)
_READ: Final = frozenset(
    (
        *("Host", "X-Original-URI", "X-Original-URL", "X-Original-Method"),
        *("X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method"),
        *("Authorization", "Cookie", "X-Real-IP", "Sec-Fetch-Dest", "X-Jitsi-Handoff"),
        *("X-Request-Id", "traceparent"),
    )
)
_IGNORED: Final = frozenset(
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


class Later(Enum):
    """The answer comes by ``Deliver``."""

    LATER = "later"


@dataclass(frozen=True, slots=True)
class _Route:
    endpoint: str
    method: str
    path: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Spelling:
    """The header names, written in one way, as bytes."""

    names: frozenset[bytes]
    host: bytes
    connection: bytes
    varying: Mapping[str, tuple[bytes, ...]]


_ROUTES: Final = {
    f"{method} {path} HTTP/1.1".encode(): _Route(endpoint, method, path)
    for path, endpoint in original_request.PATHS.items()
    for method in _METHODS
}
# Two lines more than there are names: a longer head is not for here.
_LINE_ENDS: Final = [_CRLF * n for n in range(len(_READ | _IGNORED) + 4)]


class FastLane:
    """Answers what it knows.

    Args:
        gatekeeper: Knows what was answered before, and whom to ask.
        decision_ttl: The longest time, seconds, that a proxy may keep an allow.
        clock: Unix time, seconds.
    """

    def __init__(
        self, gatekeeper: ProxyAuthHandler, decision_ttl: int, clock: Callable[[], float]
    ) -> None:
        self._keeper = gatekeeper
        self._clock = clock
        self._date = HttpDate()
        self._lifetime = Lifetime(decision_ttl)
        self._spellings = tuple(
            _spell(write, gatekeeper.varying) for write in (str.__str__, str.lower)
        )

    def answer(
        self, head: bytes, transport: asyncio.Transport | None, deliver: Deliver
    ) -> bytes | Later | None:
        """Answer one whole head.

        Args:
            head: The bytes up to the empty line and with it, and nothing behind it.
            transport: Where they came from.
            deliver: Called once, and later, if the answer has to wait.

        Returns:
            What to write; None where aiohttp is to answer.
        """
        started = perf_counter()
        lines = head[:-4].split(_CRLF)
        if len(lines) >= len(_LINE_ENDS) - 1:
            return None
        # Nothing but printable ASCII and the line ends that it was split at.
        if head.translate(None, _PRINTABLE) != _LINE_ENDS[len(lines) + 1]:
            return None
        if b"  " in head or b" \r\n" in head:
            return None
        try:
            fields = dict([line.split(b": ", 1) for line in lines[1:]])
        except ValueError:
            return None
        names = fields.keys()
        spelling = self._spellings[0] if names <= self._spellings[0].names else self._spellings[1]
        if len(fields) != len(lines) - 1 or not names <= spelling.names:
            return None
        if spelling.host not in fields or fields.get(spelling.connection) not in _KEEP_ALIVE:
            return None
        route = _ROUTES.get(lines[0]) or _ext_authz(lines[0])
        if route is None:
            return None

        endpoint = route.endpoint
        path = route.path.encode() if endpoint == "ext-authz" else None
        key = digest([endpoint.encode(), path, *map(fields.get, spelling.varying[endpoint])])
        now = self._clock()
        kept = self._keeper.recall(key, now)
        if kept is None:
            return self._judge(route, fields, key, transport, deliver)
        seconds = perf_counter() - started
        self._keeper.count(endpoint, kept, seconds, hit=True)
        if kept[5]:
            self._keeper.write_down(endpoint, kept, _asked(route, fields, transport), seconds)
        return self._bytes(route.method, kept, now)

    def _judge(
        self,
        route: _Route,
        fields: dict[bytes, bytes],
        key: bytes,
        transport: asyncio.Transport | None,
        deliver: Deliver,
    ) -> bytes | Later | None:
        asked = _asked(route, fields, transport)
        if not is_host_header(asked.headers["Host"]):
            return None
        case = self._keeper.open(route.endpoint, asked, key)
        if case.judge is None:
            kept = self._keeper.close(case, case.decision or UNKNOWN_HOST)
            return self._bytes(route.method, kept, self._clock())
        # Whether a token has been used is asked elsewhere, which takes its time.
        if case.judge.single_use is not None and case.question.token is not None:
            return None
        judge, decision = case.judge, case.judge.begin(case.question)
        if isinstance(decision, SignatureCheck):
            if self._wait(case, judge, decision, deliver):
                return Later.LATER
            decision = OVERLOADED
        if decision is None:
            return None
        return self._bytes(route.method, self._keeper.close(case, decision), self._clock())

    def _wait(
        self, case: RequestContext, judge: Verifier, check: SignatureCheck, deliver: Deliver
    ) -> bool:
        """Have the answer delivered in its turn; False where too many wait already."""
        waiting = ExitStack()

        def go() -> None:
            with waiting:
                deliver(lambda: self._finish(case, judge, check))

        if not judge.throttle.queue(go):
            return False
        waiting.enter_context(self._keeper.in_flight())
        return True

    def _finish(self, case: RequestContext, judge: Verifier, check: SignatureCheck) -> bytes | None:
        decision = judge.finish(check)
        if needs_key(decision):
            return None
        kept = self._keeper.close(case, decision)
        return self._bytes(case.asked.method, kept, self._clock())

    def _bytes(self, method: str, kept: CachedResponse, now: float) -> bytes:
        body = b"" if method == "HEAD" else kept[3]
        lifetime = self._lifetime.lines(kept[1], now)
        return b"".join((kept[2], lifetime, self._date.line(now), _CRLF, body))


def _spell(write: Callable[[str], str], varying: Mapping[str, tuple[str, ...]]) -> _Spelling:
    def spelled(name: str) -> bytes:
        return write(name).encode()

    return _Spelling(
        frozenset(map(spelled, _READ | _IGNORED | {_CONNECTION})),
        spelled("Host"),
        spelled(_CONNECTION),
        {endpoint: tuple(map(spelled, names)) for endpoint, names in varying.items()},
    )


def _ext_authz(line: bytes) -> _Route | None:
    found = _EXT_AUTHZ.fullmatch(line)
    return _Route("ext-authz", found[1].decode(), found[2].decode()) if found else None


def _asked(
    route: _Route, fields: dict[bytes, bytes], transport: asyncio.Transport | None
) -> ParsedHead:
    headers = CIMultiDict((name.decode(), value.decode()) for name, value in fields.items())
    return ParsedHead(route.method, route.path, headers, transport)

"""A cached decision without a proxy, beside the smallest aiohttp service."""

from __future__ import annotations

from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, BROWSER_AUTH_REQUEST, Bench, one_token
from tests.perf.bench.issuers import Issuer
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, Variant, compare
from tests.perf.bench.rows import Row, at_most, compared
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "hit: cached decision, one process, no proxy"
_BROWSER_SECTION: Final = f"{SECTION}; a browser's 14 headers"
_TRIVIAL: Final = "trivial 204, web.Application"
_VERIFIER: Final = "verifier, decision cached"
_SIMPLE: Final = "simple aiohttp service, decision cached"
# 2.6 times as fast. The goal is for CPU time, because wrk needs as much of it for a request (10 µs)
# as the verifier. So the rates show wrk as well.
_GOAL: Final = at_most(0.385, of="cpu_ratios")


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure with the headers of nginx, then with those of a browser."""
    issuer = bench.shared
    started = {
        _TRIVIAL: servers.python("trivial", issuer),
        _VERIFIER: servers.sidecar(issuer),
        _SIMPLE: servers.python("simple", issuer),
    }
    return [
        row
        for section, head in ((SECTION, AUTH_REQUEST), (_BROWSER_SECTION, BROWSER_AUTH_REQUEST))
        for row in compared(
            section,
            compare(
                [_variant(name, server, issuer, head) for name, server in started.items()],
                bench.effort,
            ),
            _TRIVIAL,
            {_VERIFIER: _GOAL},
        )
    ]


def _variant(name: str, server: Server, issuer: Issuer, head: bytes) -> Variant:
    if name == _TRIVIAL:  # it denies nothing
        request = head.replace(TOKEN_PLACEHOLDER, issuer.token().encode())
        return Variant(name, server.port, request, (server.pid,))
    return one_token(name, server, issuer, head=head)

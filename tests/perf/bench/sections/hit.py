"""A cached decision without a proxy, beside the smallest aiohttp service."""

from __future__ import annotations

from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench, one_token
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

SECTION: Final = "hit: cached decision, one process, no proxy"
_TRIVIAL: Final = "trivial 204, web.Application"
_VERIFIER: Final = "verifier, decision cached"
_SIMPLE: Final = "simple aiohttp service, decision cached"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the section."""
    issuer = bench.shared
    trivial = servers.python("trivial", issuer)
    request = AUTH_REQUEST.replace(TOKEN_PLACEHOLDER, issuer.token().encode())
    samples = compare(
        [
            Variant(_TRIVIAL, trivial.port, request, (trivial.pid,)),
            one_token(_VERIFIER, servers.sidecar(issuer), issuer),
            one_token(_SIMPLE, servers.python("simple", issuer), issuer),
        ],
        bench.effort,
    )
    return compared(SECTION, samples, _TRIVIAL, {_VERIFIER: Goal(1.3)})

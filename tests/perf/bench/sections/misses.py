"""New tokens without a proxy: the verifier and its peers decide about every one."""

from __future__ import annotations

import sys
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench, check_denials
from tests.perf.bench.issuers import Issuer
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Row, at_most, compare_with
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "misses: all-distinct tokens, one process, no proxy"
_VERIFIER: Final = "verifier"
_NODE: Final = "Node, http + jsonwebtoken"
_DECODE: Final = "simple service on our HTTP server + jwt.decode"
_DECODE_SERVICE: Final = "verifier with jwt.decode instead of decide()"
_COMMAND: Final = (sys.executable, "-m", "tests.perf.bench.peers.decode_service")

# The rows that are not compared with Node, and the goals of the verifier.
_BASES: Final = {_DECODE: _VERIFIER, _DECODE_SERVICE: _VERIFIER}
_GOALS: Final = {
    "HS256": at_most(1.25, of="cpu_ratios"),
    "RS256": at_most(1.35, of="cpu_ratios"),
}


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure with a shared secret, then with RSA."""
    return [row for issuer in bench.issuers for row in _run(bench, servers, issuer)]


def _run(bench: Bench, servers: Servers, issuer: Issuer) -> list[Row]:
    tokens = bench.distinct(issuer)
    started: dict[str, Server] = {
        _NODE: servers.node("plain.js", issuer),
        _VERIFIER: servers.sidecar(issuer),
        "fastify + fast-jwt": servers.node("fast.js", issuer),
        _DECODE: servers.python("simple", issuer, "hardened"),
        _DECODE_SERVICE: servers.sidecar(issuer, _COMMAND),
        "simple aiohttp service + jwt.decode": servers.python("simple", issuer),
    }
    for name, server in started.items():
        check_denials(name, server.port, issuer, AUTH_REQUEST)
    samples = compare(
        [
            Variant(name, server.port, AUTH_REQUEST, (server.pid,), tokens)
            for name, server in started.items()
        ],
        bench.effort,
    )
    section = f"{SECTION}, {issuer.algorithm}"
    return [
        compare_with(
            section,
            name,
            samples,
            _BASES.get(name, _NODE),
            _GOALS[issuer.algorithm] if name == _VERIFIER else None,
        )
        for name in samples
    ]

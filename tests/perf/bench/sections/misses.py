"""Straight at the sidecar and its peers: tokens that are all new, so that every one is judged."""

from __future__ import annotations

import sys
from typing import Final

from tests.perf.bench.bench import ASK, Bench, check_gate
from tests.perf.bench.minting import Issuer
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Goal, Row, at_most, compare_with
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "misses: all-distinct tokens, straight at one process"
_SIDECAR: Final = "sidecar"
_NODE: Final = "Node, http + jsonwebtoken"
_DECODE: Final = "our HTTP server, natural handler + jwt.decode"
_DECODE_SERVICE: Final = "the same service, decide() by jwt.decode"
_COMMAND: Final = (sys.executable, "-m", "tests.perf.bench.peers.decode_service")

# What a row is compared with, if not with Node, and what it should reach.
_BASES: Final = {_DECODE: _SIDECAR, _DECODE_SERVICE: _SIDECAR}
_GOALS: Final = {
    _SIDECAR: at_most(1.0, of="cpu_ratios"),
    _DECODE: Goal(2.5, of="cpu_ratios"),
    _DECODE_SERVICE: Goal(2.5, of="cpu_ratios"),
}


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure with a shared secret, then with RSA."""
    return [row for issuer in bench.issuers for row in _run(bench, servers, issuer)]


def _run(bench: Bench, servers: Servers, issuer: Issuer) -> list[Row]:
    tokens = bench.distinct(issuer)
    started: dict[str, Server] = {
        _NODE: servers.node("plain.js", issuer),
        _SIDECAR: servers.sidecar(issuer),
        "fastify + fast-jwt": servers.node("fast.js", issuer),
        _DECODE: servers.python("natural", issuer, "hardened"),
        _DECODE_SERVICE: servers.sidecar(issuer, _COMMAND),
        "natural aiohttp app + jwt.decode": servers.python("natural", issuer),
    }
    for name, server in started.items():
        check_gate(name, server.port, issuer, ASK)
    samples = compare(
        [Variant(name, each.port, ASK, (each.pid,), tokens) for name, each in started.items()],
        bench.effort,
    )
    section = f"{SECTION}, {issuer.algorithm}"
    return [
        compare_with(section, name, samples, _BASES.get(name, _NODE), _GOALS.get(name))
        for name in samples
    ]

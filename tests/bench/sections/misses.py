"""Straight at the sidecar and its peers: tokens that are all new, so that every one is judged."""

from __future__ import annotations

import sys
from typing import Final

from tests.bench.bench import ASK, Bench, check_gate
from tests.bench.minting import Issuer
from tests.bench.results import Goal, Row, cpu_ratios, sampled
from tests.bench.rounds import Variant, compare
from tests.bench.servers import Server, Servers

SECTION: Final = "misses: all-distinct tokens, straight at one process"
_SIDECAR: Final = "sidecar"
_NODE: Final = "Node, http + jsonwebtoken"
_DECODE: Final = (
    "our HTTP server, natural handler + jwt.decode",
    "the same service, decide() by jwt.decode",
)
_DECODE_SERVICE: Final = (sys.executable, "-m", "tests.bench.peers.decode_service")


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure with a shared secret, then with RSA."""
    return [row for issuer in bench.issuers for row in _run(bench, servers, issuer)]


def _run(bench: Bench, servers: Servers, issuer: Issuer) -> list[Row]:
    algorithm = issuer.algorithm
    tokens = bench.distinct(issuer)
    started: dict[str, Server] = {
        _NODE: servers.node("plain.js", issuer),
        _SIDECAR: servers.sidecar(issuer),
        "fastify + fast-jwt": servers.node("fast.js", issuer),
        _DECODE[0]: servers.python("natural", issuer, "hardened"),
        _DECODE[1]: servers.sidecar(issuer, _DECODE_SERVICE),
        "natural aiohttp app + jwt.decode": servers.python("natural", issuer),
    }
    for name, server in started.items():
        check_gate(name, server.port, issuer, ASK)
    samples = compare(
        [Variant(name, each.port, ASK, (each.pid,), tokens) for name, each in started.items()],
        bench.effort,
    )
    rows = []
    for name, found in samples.items():
        base = _SIDECAR if name in _DECODE else _NODE
        ratios = cpu_ratios(found, samples[base])
        goal = _goal(name)
        to = f"{base.split(',')[0]} {algorithm}, CPU"
        rows.append(
            sampled(SECTION, f"{algorithm}: {name}", found, ratios=ratios, to=to, goal=goal)
        )
    return rows


def _goal(name: str) -> Goal | None:
    if name == _SIDECAR:
        return Goal(1.0, at_least=False)
    return Goal(2.5) if name in _DECODE else None

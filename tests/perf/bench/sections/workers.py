"""Two workers beside one, without a proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench, check_denials, one_token
from tests.perf.bench.issuers import Issuer
from tests.perf.bench.resources import family
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Server, Servers

_CACHED: Final = "workers: cached decisions, no proxy"
_DISTINCT: Final = "workers: all-distinct tokens, no proxy"
_ONE: Final = "one worker"
_TWO: Final = "two workers"
_SHARE: Final = (
    "The load generator uses the same cores (column load). On a machine with two cores, the second"
    " worker gets only what the generator leaves. Therefore the goal is for RS256, where a request"
    " costs the workers much more than the generator."
)


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure cached decisions, and then new tokens, which need more work."""
    one, two = _workers(servers, bench.shared)
    cached = compare(
        [one_token(_ONE, one, bench.shared), one_token(_TWO, two, bench.shared)], bench.effort
    )
    rows = compared(_CACHED, cached, _ONE, {})
    for issuer in bench.issuers:
        rows += _distinct(bench, servers, issuer)
    return [replace(row, note=_SHARE) if row.name == _TWO and row.goal else row for row in rows]


def _distinct(bench: Bench, servers: Servers, issuer: Issuer) -> list[Row]:
    tokens = bench.distinct(issuer)
    started = dict(zip((_ONE, _TWO), _workers(servers, issuer), strict=True))
    for name, server in started.items():
        check_denials(name, server.port, issuer, AUTH_REQUEST)
    samples = compare(
        [
            Variant(name, server.port, AUTH_REQUEST, (server.pid,), tokens)
            for name, server in started.items()
        ],
        bench.effort,
    )
    goals = {_TWO: Goal(1.7)} if issuer.algorithm == "RS256" else {}
    return compared(f"{_DISTINCT}, {issuer.algorithm}", samples, _ONE, goals)


def _workers(servers: Servers, issuer: Issuer) -> tuple[Server, Server]:
    """Start a verifier with one worker, and one with two."""
    one, two = servers.sidecar(issuer), servers.sidecar(issuer, VERIFIER_WORKERS="2")
    if len(family(two.pid)) < 2:
        raise RuntimeError("VERIFIER_WORKERS=2: expected several processes, found one")
    return one, two

"""Two workers beside one, without a proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench, one_token
from tests.perf.bench.resources import family
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

_CACHED: Final = "workers: cached decisions, no proxy"
_DISTINCT: Final = "workers: all-distinct tokens (HS256), no proxy"
_ONE: Final = "one worker"
_TWO: Final = "two workers"
_SHARE: Final = (
    "The load generator uses the same cores (column load). With two cores and cached decisions, it"
    " needs most of the CPU time of the second worker."
)


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure cached decisions, and then new tokens, which need more work."""
    issuer = bench.shared
    one, two = servers.sidecar(issuer), servers.sidecar(issuer, VERIFIER_WORKERS="2")
    if len(family(two.pid)) < 2:
        raise RuntimeError("VERIFIER_WORKERS=2: expected several processes, found one")
    cached = compare([one_token(_ONE, one, issuer), one_token(_TWO, two, issuer)], bench.effort)
    tokens = bench.distinct(issuer)
    distinct = compare(
        [
            Variant(_ONE, one.port, AUTH_REQUEST, (one.pid,), tokens),
            Variant(_TWO, two.port, AUTH_REQUEST, (two.pid,), tokens),
        ],
        bench.effort,
    )
    goals = {_TWO: Goal(1.6)}
    rows = compared(_CACHED, cached, _ONE, goals) + compared(_DISTINCT, distinct, _ONE, goals)
    return [replace(row, note=_SHARE) if row.name == _TWO else row for row in rows]

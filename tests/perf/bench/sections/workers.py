"""Straight at the sidecar: two workers beside one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.perf.bench.accounting import family
from tests.perf.bench.bench import ASK, Bench, one_token
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

_CACHED: Final = "workers: cached decisions, straight at the sidecar"
_DISTINCT: Final = "workers: all-distinct tokens (HS256), straight at the sidecar"
_ONE: Final = "one worker"
_TWO: Final = "two workers"
_SHARE: Final = (
    "The load generator takes its share (column load) of the same cores: with two cores and cached"
    " decisions it needs most of what the second worker would have."
)


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure, if this sidecar has workers: with little work for each answer, and with much."""
    issuer = bench.shared
    one, two = servers.sidecar(issuer), servers.sidecar(issuer, VERIFIER_WORKERS="2")
    if len(family(two.pid)) < 2:
        raise RuntimeError("with VERIFIER_WORKERS=2 there is one process only")
    cached = compare([one_token(_ONE, one, issuer), one_token(_TWO, two, issuer)], bench.effort)
    tokens = bench.distinct(issuer)
    distinct = compare(
        [
            Variant(_ONE, one.port, ASK, (one.pid,), tokens),
            Variant(_TWO, two.port, ASK, (two.pid,), tokens),
        ],
        bench.effort,
    )
    goals = {_TWO: Goal(1.6)}
    rows = compared(_CACHED, cached, _ONE, goals) + compared(_DISTINCT, distinct, _ONE, goals)
    return [replace(row, note=_SHARE) if row.name == _TWO else row for row in rows]

"""Straight at the sidecar: two workers beside one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.bench.accounting import family
from tests.bench.bench import Bench, one_token
from tests.bench.rounds import compare
from tests.bench.rows import Goal, Row, compared
from tests.bench.servers import Servers

SECTION: Final = "workers: cached decisions, straight at the sidecar"
_ONE: Final = "one worker"
_TWO: Final = "two workers"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure, if this sidecar has workers."""
    issuer = bench.shared
    one, two = servers.sidecar(issuer), servers.sidecar(issuer, VERIFIER_WORKERS="2")
    if len(family(two.pid)) < 2:
        raise RuntimeError("with VERIFIER_WORKERS=2 there is one process only")
    samples = compare([one_token(_ONE, one, issuer), one_token(_TWO, two, issuer)], bench.effort)
    rows = compared(SECTION, samples, _ONE, {_TWO: Goal(1.6)})
    share = "The load generator takes its share (column load) of the same cores."
    return [rows[0], replace(rows[1], note=share)]

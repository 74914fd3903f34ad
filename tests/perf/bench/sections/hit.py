"""Straight at the sidecar: a decision that it remembers, beside the least that aiohttp can do."""

from __future__ import annotations

from typing import Final

from tests.perf.bench.bench import ASK, Bench, one_token
from tests.perf.bench.rounds import PLACE, Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

SECTION: Final = "hit: cached decision, straight at one process"
_TRIVIAL: Final = "trivial 204, web.Application"
_SIDECAR: Final = "sidecar, decision cached"
_NATURAL: Final = "natural aiohttp app, decision cached"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure."""
    issuer = bench.shared
    trivial = servers.python("trivial", issuer)
    question = ASK.replace(PLACE, issuer.token().encode())
    samples = compare(
        [
            Variant(_TRIVIAL, trivial.port, question, (trivial.pid,)),
            one_token(_SIDECAR, servers.sidecar(issuer), issuer),
            one_token(_NATURAL, servers.python("natural", issuer), issuer),
        ],
        bench.effort,
    )
    return compared(SECTION, samples, _TRIVIAL, {_SIDECAR: Goal(1.3)})

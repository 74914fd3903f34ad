"""Under attack: how long people with a remembered decision wait during a flood of forged tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.perf.bench.accounting import cpu_seconds
from tests.perf.bench.bench import ASK, Bench
from tests.perf.bench.client import Latencies, Probe
from tests.perf.bench.load import Generator, Load, Tokens
from tests.perf.bench.rounds import PLACE
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "under attack: distinct tokens with bad RS256 signatures, 64 connections"
_CONNECTIONS: Final = 64
_FORGED_A_SECOND: Final = 40_000
_CONDITIONS: Final = ("no flood", "flood at another sidecar", "flood")


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure waiting without a flood, beside one, and in one."""
    seconds = bench.effort.seconds
    asked, other = servers.sidecar(bench.rsa), servers.sidecar(bench.rsa)
    forged = bench.rsa.forging().mint(bench.folder / "forged.tokens", _FORGED_A_SECOND * seconds)
    probe = Probe(asked.port, ASK.replace(PLACE, bench.rsa.token().encode()))
    probe.run(1)
    waits: dict[str, list[Latencies]] = {name: [] for name in _CONDITIONS}
    floods: list[tuple[Load, float]] = []
    with ThreadPoolExecutor(1) as beside:
        for _ in range(bench.effort.rounds):
            waits[_CONDITIONS[0]].append(probe.run(seconds))
            for name, server in zip(_CONDITIONS[1:], (other, asked), strict=True):
                waiting = beside.submit(probe.run, seconds)
                floods.append(_flood(server, forged, seconds))
                waits[name].append(waiting.result())
    return _rows(waits, floods[1::2])


def _flood(server: Server, forged: Tokens, seconds: int) -> tuple[Load, float]:
    """Send forged tokens; give also the CPU time, seconds, that the sidecar used meanwhile."""
    used = cpu_seconds([server.pid])
    with Generator(server.port, ASK, seconds, forged, _CONNECTIONS) as generator:
        load = generator.result()
    return load, cpu_seconds([server.pid]) - used


def _rows(waits: dict[str, list[Latencies]], floods: list[tuple[Load, float]]) -> list[Row]:
    rows = []
    quiet = [each.p50 for each in waits[_CONDITIONS[0]]]
    for name, found in waits.items():
        attacked = name == _CONDITIONS[2]
        p50, p99 = [each.p50 for each in found], [each.quantile(0.99) for each in found]
        ratios = [this / that for this, that in zip(p50, quiet, strict=True)]
        goal = at_most(2, of="ratios") if attacked else None
        row = Row(SECTION, f"{name}: p50", p50, "ms", ratios=ratios, to="no flood", goal=goal)
        limit = at_most(25) if attacked else None
        rows += [row, Row(SECTION, f"{name}: p99", p99, "ms", goal=limit)]
    flood = Row(
        SECTION,
        "the flood itself, answered",
        [load.requests / load.seconds for load, _ in floods],
        cpu=[used / load.requests * 1e6 for load, used in floods],
        generator=[load.cpu / load.seconds for load, _ in floods],
        note="Waiting is measured from the moment a question was due: 400 a second on 8"
        " connections. A flood at another sidecar keeps the machine as busy.",
    )
    return [*rows, flood]

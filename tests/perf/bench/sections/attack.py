"""Under attack: the latency of cached decisions during a flood of forged tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench
from tests.perf.bench.client import Latencies, Probe
from tests.perf.bench.load import Generator, Load, Tokens
from tests.perf.bench.resources import cpu_seconds
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "under attack: distinct tokens with bad RS256 signatures, 64 connections"
_CONNECTIONS: Final = 64
_FORGED_TOKENS_A_SECOND: Final = 40_000
_CONDITIONS: Final = ("no flood", "flood at another verifier", "flood")


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the latency without a flood, with a flood at another verifier, and with a flood."""
    seconds = bench.effort.seconds
    measured, other = servers.sidecar(bench.rsa), servers.sidecar(bench.rsa)
    forged = bench.rsa.forging().mint(
        bench.folder / "forged.tokens", _FORGED_TOKENS_A_SECOND * seconds
    )
    probe = Probe(
        measured.port, AUTH_REQUEST.replace(TOKEN_PLACEHOLDER, bench.rsa.token().encode())
    )
    probe.run(1)
    latencies: dict[str, list[Latencies]] = {name: [] for name in _CONDITIONS}
    floods: list[tuple[Load, float]] = []
    with ThreadPoolExecutor(1) as executor:
        for _ in range(bench.effort.rounds):
            latencies[_CONDITIONS[0]].append(probe.run(seconds))
            for name, server in zip(_CONDITIONS[1:], (other, measured), strict=True):
                probing = executor.submit(probe.run, seconds)
                floods.append(_flood(server, forged, seconds))
                latencies[name].append(probing.result())
    return _rows(latencies, floods[1::2])


def _flood(server: Server, forged: Tokens, seconds: int) -> tuple[Load, float]:
    """Send forged tokens; return the load and the CPU time of the verifier in seconds."""
    used = cpu_seconds([server.pid])
    with Generator(server.port, AUTH_REQUEST, seconds, forged, _CONNECTIONS) as generator:
        load = generator.result()
    return load, cpu_seconds([server.pid]) - used


def _rows(latencies: dict[str, list[Latencies]], floods: list[tuple[Load, float]]) -> list[Row]:
    rows = []
    base = [round_.p50 for round_ in latencies[_CONDITIONS[0]]]
    for name, rounds in latencies.items():
        attacked = name == _CONDITIONS[2]
        p50, p99 = [r.p50 for r in rounds], [r.quantile(0.99) for r in rounds]
        ratios = [one / other for one, other in zip(p50, base, strict=True)]
        goal = at_most(2, of="ratios") if attacked else None
        row = Row(SECTION, f"{name}: p50", p50, "ms", ratios=ratios, to="no flood", goal=goal)
        limit = at_most(10) if attacked else None
        rows += [row, Row(SECTION, f"{name}: p99", p99, "ms", goal=limit)]
    flood = Row(
        SECTION,
        "answers to the flood itself",
        [load.requests / load.seconds for load, _ in floods],
        cpu=[used / load.requests * 1e6 for load, used in floods],
        generator=[load.cpu / load.seconds for load, _ in floods],
        note="Latency counts from the time at which a request was due: 400 a second on 8"
        " connections. A flood at another verifier uses the machine as much.",
    )
    return [*rows, flood]

"""Memory: idle, with many cached decisions, and over minutes of new tokens at full speed.

Meanwhile the section measures the lateness of the event loop, from inside and from outside, and the
duration of every full garbage collection.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench
from tests.perf.bench.client import Latencies, Probe, send_each
from tests.perf.bench.load import Generator, Load, Tokens
from tests.perf.bench.resources import Memory, cpu_seconds, family, memory
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Server, Servers
from tests.support.processes import get

SECTION: Final = "memory"
_DECISIONS: Final = 50_000
# More than the cache holds: a token that is sent again is no longer cached.
_BUSY_TOKENS: Final = 200_000
_LEAST_READINGS: Final = 4
_HEALTH: Final = b"GET /healthz HTTP/1.1\r\nHost: meet.example.org\r\n\r\n"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the section."""
    tokens = bench.shared.mint(bench.folder / "busy.tokens", _BUSY_TOKENS)
    return [*_cached(bench, servers, tokens), *_busy(bench, servers.new_folder(), tokens)]


def _cached(bench: Bench, servers: Servers, tokens: Tokens) -> list[Row]:
    sidecar = servers.sidecar(bench.shared, VERIFIER_DECISION_TTL="600")
    idle = _worker(sidecar)
    send_each(sidecar.port, AUTH_REQUEST, Tokens(tokens.file, 0, _DECISIONS))
    added = _worker(sidecar).rss - idle.rss
    entries = _metric(sidecar, "decision_cache_entries")
    return [
        Row(
            SECTION,
            "idle, RSS",
            [idle.rss],
            "MB",
            goal=at_most(60),
            note=f"PSS, which counts a share of shared memory: {idle.pss:.1f} MB.",
        ),
        Row(
            SECTION,
            f"added by {_DECISIONS:,} decisions",
            [added],
            "MB",
            goal=at_most(45),
            note=f"{entries:,.0f} of them were in the cache at the end.",
        ),
    ]


def _busy(bench: Bench, folder: Path, tokens: Tokens) -> list[Row]:
    """Measure a verifier from inside and outside while it decides as fast as it can."""
    report = folder / "measurement.json"
    command = [sys.executable, "-m", "tests.perf.bench.instrumented", str(report), "serve"]
    readings, loads = [], []
    minutes = bench.minutes
    with Servers(folder) as servers, ThreadPoolExecutor(1) as executor:
        sidecar = servers.sidecar(bench.shared, command)
        probe = Probe(sidecar.port, _HEALTH, connections=1, interval=0.002, sequential=True)
        os.kill(sidecar.pid, signal.SIGUSR1)  # discard the start
        probing = executor.submit(probe.run, minutes * 60)
        used = cpu_seconds([sidecar.pid])
        for _ in range(max(minutes, _LEAST_READINGS)):
            seconds = minutes * 60 // max(minutes, _LEAST_READINGS)
            again = Tokens(tokens.file, 0, tokens.count, again=True)
            with Generator(sidecar.port, AUTH_REQUEST, seconds, again) as generator:
                loads.append(generator.result())
            readings.append(_worker(sidecar).rss)
        used = cpu_seconds([sidecar.pid]) - used
        hits = _metric(sidecar, 'decision_cache_lookups_total{result="hit"}')
        os.kill(sidecar.pid, signal.SIGUSR2)  # start a full collection
        latencies = probing.result()
    results = json.loads(report.read_text())
    return [_growth(minutes, readings), _speed(loads, used, hits), *_stalls(results, latencies)]


def _growth(minutes: int, readings: Sequence[float]) -> Row:
    """Compare the last reading with the second, because all caches fill before the first."""
    return Row(
        SECTION,
        f"growth over {minutes} min of misses",
        [readings[-1] - readings[1]],
        "MB",
        goal=at_most(2),
        note=f"RSS, MB, {len(readings)} times: {', '.join(f'{mb:.1f}' for mb in readings)}.",
    )


def _speed(loads: Sequence[Load], used: float, hits: float) -> Row:
    return Row(
        SECTION,
        "answers meanwhile",
        [load.requests / load.seconds for load in loads],
        cpu=[used / sum(load.requests for load in loads) * 1e6],
        generator=[load.cpu / load.seconds for load in loads],
        note=f"{sum(load.refused for load in loads)} were denied, {hits:,.0f} were hits.",
    )


def _stalls(inside: dict[str, Any], outside: Latencies) -> list[Row]:
    collections = inside["collections"]
    return [
        Row(
            SECTION,
            "longest full garbage collection",
            [max(collections, default=0.0)],
            "ms",
            goal=at_most(10),
            note=f"Of {len(collections)}, including one that was started at the end.",
        ),
        Row(SECTION, "lateness of the event loop: p99.9", [inside["p999"]], "ms"),
        Row(SECTION, "lateness of the event loop: longest", [inside["most"]], "ms"),
        Row(SECTION, "GET /healthz every 2 ms: p99.9", [outside.quantile(0.999)], "ms"),
        Row(SECTION, "GET /healthz every 2 ms: longest", [outside.quantile(1)], "ms"),
    ]


def _worker(sidecar: Server) -> Memory:
    """Return the memory of its largest process."""
    return max((memory(pid) for pid in family(sidecar.pid)), key=lambda memory: memory.rss)


def _metric(sidecar: Server, sample: str) -> float:
    lines = get(sidecar.admin, "/metrics").body.splitlines()
    name = f"jitsi_verifier_{sample} "
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

"""Memory: idle, with many remembered decisions, and over minutes of new tokens at full speed.

Meanwhile the loop is asked how late it is, from inside and from outside, and every full collection
is timed.
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

from tests.perf.bench.accounting import Memory, cpu_seconds, family, memory
from tests.perf.bench.bench import ASK, Bench
from tests.perf.bench.client import Latencies, Probe, send_each
from tests.perf.bench.load import Generator, Load, Tokens
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Server, Servers
from tests.support.processes import get

SECTION: Final = "memory"
_DECISIONS: Final = 50_000
# More than are remembered: one that comes back has been forgotten.
_BUSY_TOKENS: Final = 200_000
_LEAST_READINGS: Final = 4
_HEALTH: Final = b"GET /healthz HTTP/1.1\r\nHost: meet.example.org\r\n\r\n"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure."""
    tokens = bench.shared.mint(bench.folder / "busy.tokens", _BUSY_TOKENS)
    return [*_cached(bench, servers, tokens), *_busy(bench, servers.new_folder(), tokens)]


def _cached(bench: Bench, servers: Servers, tokens: Tokens) -> list[Row]:
    sidecar = servers.sidecar(bench.shared, VERIFIER_DECISION_TTL="600")
    idle = _worker(sidecar)
    send_each(sidecar.port, ASK, Tokens(tokens.file, 0, _DECISIONS))
    added = _worker(sidecar).rss - idle.rss
    entries = _metric(sidecar, "decision_cache_entries")
    return [
        Row(
            SECTION,
            "idle, RSS",
            [idle.rss],
            "MB",
            goal=at_most(60),
            note=f"PSS, which counts what is shared by its share: {idle.pss:.1f} MB.",
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
    """Watch a sidecar from inside and outside while it judges as fast as it can."""
    report = folder / "watch.json"
    command = [sys.executable, "-m", "tests.perf.bench.watched", str(report), "serve"]
    readings, loads = [], []
    minutes = bench.minutes
    with Servers(folder) as servers, ThreadPoolExecutor(1) as beside:
        sidecar = servers.sidecar(bench.shared, command)
        probe = Probe(sidecar.port, _HEALTH, connections=1, interval=0.002, patient=True)
        os.kill(sidecar.pid, signal.SIGUSR1)  # forget the start
        probing = beside.submit(probe.run, minutes * 60)
        used = cpu_seconds([sidecar.pid])
        for _ in range(max(minutes, _LEAST_READINGS)):
            seconds = minutes * 60 // max(minutes, _LEAST_READINGS)
            again = Tokens(tokens.file, 0, tokens.count, again=True)
            with Generator(sidecar.port, ASK, seconds, again) as generator:
                loads.append(generator.result())
            readings.append(_worker(sidecar).rss)
        used = cpu_seconds([sidecar.pid]) - used
        hits = _metric(sidecar, 'decision_cache_lookups_total{result="hit"}')
        os.kill(sidecar.pid, signal.SIGUSR2)  # collect once more
        seen = probing.result()
    found = json.loads(report.read_text())
    return [_growth(minutes, readings), _speed(loads, used, hits), *_stalls(found, seen)]


def _growth(minutes: int, readings: Sequence[float]) -> Row:
    """Compare the last reading with the second: until the first, everything fills."""
    return Row(
        SECTION,
        f"growth over {minutes} min of misses",
        [readings[-1] - readings[1]],
        "MB",
        goal=at_most(2),
        note=f"RSS, MB, {len(readings)} times: {', '.join(f'{each:.1f}' for each in readings)}.",
    )


def _speed(loads: Sequence[Load], used: float, hits: float) -> Row:
    return Row(
        SECTION,
        "meanwhile answered",
        [load.requests / load.seconds for load in loads],
        cpu=[used / sum(load.requests for load in loads) * 1e6],
        generator=[load.cpu / load.seconds for load in loads],
        note=f"{sum(load.refused for load in loads)} were refused, {hits:,.0f} were hits.",
    )


def _stalls(inside: dict[str, Any], outside: Latencies) -> list[Row]:
    collections = inside["collections"]
    return [
        Row(
            SECTION,
            "longest full collection",
            [max(collections, default=0.0)],
            "ms",
            goal=at_most(10),
            note=f"Of {len(collections)}, one that was asked for at the end included.",
        ),
        Row(SECTION, "loop late, inside: p99.9", [inside["p999"]], "ms"),
        Row(SECTION, "loop late, inside: most", [inside["most"]], "ms"),
        Row(SECTION, "GET /healthz each 2 ms: p99.9", [outside.quantile(0.999)], "ms"),
        Row(SECTION, "GET /healthz each 2 ms: most", [outside.quantile(1)], "ms"),
    ]


def _worker(sidecar: Server) -> Memory:
    """Give the memory of its largest process."""
    return max((memory(pid) for pid in family(sidecar.pid)), key=lambda found: found.rss)


def _metric(sidecar: Server, sample: str) -> float:
    lines = get(sidecar.admin, "/metrics").body.splitlines()
    name = f"jitsi_verifier_{sample} "
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

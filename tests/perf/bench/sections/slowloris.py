"""Slowloris: the latency while hundreds of connections never complete their request head."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench
from tests.perf.bench.client import Latencies, Probe
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Servers

_CONNECTIONS: Final = 500
SECTION: Final = f"slowloris: {_CONNECTIONS} connections that never complete their head"
_LIMIT: Final = 100  # milliseconds


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the latency without and with these connections."""
    sidecar = servers.sidecar(bench.shared)
    head = AUTH_REQUEST.replace(TOKEN_PLACEHOLDER, bench.shared.token().encode())
    probe = Probe(sidecar.port, head)
    probe.run(1)
    without, during = [], []
    for _ in range(bench.effort.rounds):
        without.append(probe.run(bench.effort.seconds))
        with ExitStack() as stack:
            for _ in range(_CONNECTIONS):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", sidecar.port)))
                client.sendall(head[:-4])
            during.append(probe.run(bench.effort.seconds))
    return [*_rows("without them", without), *_rows("with them", during)]


def _rows(name: str, rounds: list[Latencies]) -> list[Row]:
    return [
        Row(SECTION, f"{name}: p50", [r.p50 for r in rounds], "ms"),
        Row(
            SECTION,
            f"{name}: longest",
            [max(r.values) for r in rounds],
            "ms",
            goal=at_most(_LIMIT),
        ),
    ]

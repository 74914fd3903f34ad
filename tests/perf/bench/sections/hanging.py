"""Slowloris: how long others wait while hundreds of connections say half a head and no more."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

from tests.perf.bench.bench import ASK, Bench
from tests.perf.bench.client import Latencies, Probe
from tests.perf.bench.rounds import PLACE
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Servers

_HANGING: Final = 500
SECTION: Final = f"slowloris: {_HANGING} connections that never end their head"
_LIMIT: Final = 100  # milliseconds


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure waiting with nobody hanging, and with all of them."""
    sidecar = servers.sidecar(bench.shared)
    head = ASK.replace(PLACE, bench.shared.token().encode())
    probe = Probe(sidecar.port, head)
    probe.run(1)
    quiet, beset = [], []
    for _ in range(bench.effort.rounds):
        quiet.append(probe.run(bench.effort.seconds))
        with ExitStack() as stack:
            for _ in range(_HANGING):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", sidecar.port)))
                client.sendall(head[:-4])
            beset.append(probe.run(bench.effort.seconds))
    return [*_rows("nobody hangs", quiet), *_rows("all hang", beset)]


def _rows(name: str, found: list[Latencies]) -> list[Row]:
    return [
        Row(SECTION, f"{name}: p50", [each.p50 for each in found], "ms"),
        Row(
            SECTION,
            f"{name}: longest",
            [max(each.found) for each in found],
            "ms",
            goal=at_most(_LIMIT),
        ),
    ]

"""Crafted requests: the dearest known one of each endpoint, in whatever configuration.

They are measured in this process (``tests.support.costs``), beside plain forged tokens of the same
length and in the same configuration.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from tests.perf.bench.bench import Bench
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Servers
from tests.support.costs.catalogue import ENDPOINTS, requests_for
from tests.support.costs.measure import MAX_RATIO, Cost, Measure
from tests.support.costs.modes import MODES
from tests.support.costs.service import open_service

SECTION: Final = "costs"


def run(_bench: Bench, servers: Servers) -> list[Row]:
    """Measure the section."""
    folder = servers.new_folder()
    found = [asyncio.run(_dearest(mode, Path(folder))) for mode in MODES]
    rows = []
    for endpoint in ENDPOINTS:
        cost, mode = max(
            ((costs[endpoint], mode) for costs, mode in zip(found, MODES, strict=True)),
            key=lambda pair: pair[0].severity,
        )
        rows.append(
            Row(
                SECTION,
                endpoint,
                [cost.seconds * 1e6],
                "µs",
                ratios=[cost.ratio],
                to="a plain forged token",
                goal=at_most(MAX_RATIO, "ratios"),
                note=f"{endpoint}: {cost.request.name} bytes; {mode}.",
            )
        )
    return rows


async def _dearest(mode: str, folder: Path) -> dict[str, Cost]:
    own = folder / mode.replace(" ", "-")
    own.mkdir()
    async with open_service(MODES[mode](own), own) as service:
        measure = Measure(service, mode)
        return {name: (await measure.dearest(requests_for(name)))[0] for name in ENDPOINTS}

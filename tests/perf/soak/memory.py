"""The memory of each process of the service over time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import linear_regression
from typing import Final

from tests.support.processes import RunningVerifier
from tests.support.supervised import workers

_EVERY: Final = 1.0
_WARM_UP: Final = 10.0  # seconds; a new worker fills its caches first

Sample = tuple[float, float]


class Memory:
    """Reads the memory of every process each second.

    Args:
        verifier: The service.
    """

    def __init__(self, verifier: RunningVerifier) -> None:
        self._verifier = verifier
        self._worker_pids: list[int] = workers(verifier)
        self._since: dict[int, float] = {}
        self.samples: dict[str, list[Sample]] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            now = time.time()
            self._sample("supervisor", self._verifier.process.pid, now)
            self._replace(workers(self._verifier))
            for number, pid in enumerate(self._worker_pids):
                if now - self._since.setdefault(pid, now) > _WARM_UP:
                    self._sample(f"worker {number}", pid, now)

    def _replace(self, running: list[int]) -> None:
        """Give each restarted worker the number of a dead one."""
        new = [pid for pid in running if pid not in self._worker_pids]
        for number, pid in enumerate(self._worker_pids):
            if pid not in running and new:
                self._worker_pids[number] = new.pop(0)

    def _sample(self, name: str, pid: int, now: float) -> None:
        if (megabytes := resident(pid)) is not None:
            self.samples.setdefault(name, []).append((now, megabytes))


def resident(pid: int) -> float | None:
    """Return the resident memory of a process in MB; None if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return None
    fields = status.partition("VmRSS:")[2].split()
    return int(fields[0]) / 1024 if fields else None


def slope(samples: list[Sample], since: float) -> float | None:
    """Return the growth since a moment in MB an hour; None if there are too few samples."""
    late = [sample for sample in samples if sample[0] >= since]
    if len(late) < 10:
        return None
    return linear_regression(*zip(*late, strict=True)).slope * 3600

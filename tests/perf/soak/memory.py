"""How much memory each process of the service has, over time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import linear_regression
from typing import Final

from tests.support.processes import RunningVerifier
from tests.support.supervised import workers

_EVERY: Final = 1.0
_GROWN_UP: Final = 10.0  # seconds; a worker that has just started fills its caches

Sample = tuple[float, float]


class Memory:
    """Looks at every process each second.

    Args:
        verifier: The service.
    """

    def __init__(self, verifier: RunningVerifier) -> None:
        self._verifier = verifier
        self._places: list[int] = workers(verifier)
        self._since: dict[int, float] = {}
        self.samples: dict[str, list[Sample]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            now = time.time()
            self._look("supervisor", self._verifier.process.pid, now)
            self._replace(workers(self._verifier))
            for place, pid in enumerate(self._places):
                if now - self._since.setdefault(pid, now) > _GROWN_UP:
                    self._look(f"worker {place}", pid, now)

    def _replace(self, living: list[int]) -> None:
        """Put those that have been started again into the places of the dead."""
        new = [pid for pid in living if pid not in self._places]
        for place, pid in enumerate(self._places):
            if pid not in living and new:
                self._places[place] = new.pop(0)

    def _look(self, name: str, pid: int, now: float) -> None:
        if (megabytes := resident(pid)) is not None:
            self.samples.setdefault(name, []).append((now, megabytes))


def resident(pid: int) -> float | None:
    """Read a process' resident memory, MB; None where it has died."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return None
    found = status.partition("VmRSS:")[2].split()
    return int(found[0]) / 1024 if found else None


def slope(samples: list[Sample], since: float) -> float | None:
    """Give the growth from a moment on, MB an hour; None where too little is known."""
    late = [sample for sample in samples if sample[0] >= since]
    if len(late) < 10:
        return None
    return linear_regression(*zip(*late, strict=True)).slope * 3600

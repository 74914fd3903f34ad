"""What each process of the service holds over time: memory, descriptors and tasks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.processes import RunningVerifier
from tests.support.supervised import workers

_EVERY: Final = 1.0
_WARM_UP: Final = 20.0  # seconds; a new process fills its caches first
_SHORTEST: Final = 60  # samples; a process that lived shorter tells nothing about growth

LIMITS: Final[Mapping[str, float]] = {"memory (MB)": 12.0, "descriptors": 16.0, "tasks": 8.0}
"""What a process may hold more at the end than at the beginning: caches fill up, and load varies.

The connections of nginx are not always shared equally by the workers. A leak of one object for each
request exceeds the limits within minutes, and one for each reload within half an hour.
"""

Sample = Mapping[str, float]


class Growth:
    """Samples every process each second.

    Args:
        verifier: The service, run by ``service``.
        folder: Where the service writes the number of its tasks.
    """

    def __init__(self, verifier: RunningVerifier, folder: Path) -> None:
        self._verifier, self._folder = verifier, folder
        self._since: dict[int, float] = {}
        self._samples: dict[int, list[Sample]] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            # They end at any time.
            with contextlib.suppress(OSError, IndexError):
                self._sample(self._verifier.process.pid)
                for pid in workers(self._verifier):
                    os.kill(pid, signal.SIGUSR2)
                    self._sample(pid)

    def _sample(self, pid: int) -> None:
        now = time.time()
        if now - self._since.setdefault(pid, now) > _WARM_UP:
            self._samples.setdefault(pid, []).append(self._read(pid))

    def _read(self, pid: int) -> Sample:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        tasks, count = self._folder / f"{pid}.tasks", ""
        with contextlib.suppress(FileNotFoundError):  # the supervisor has no tasks
            count = tasks.read_text("ascii")
        return {
            "memory (MB)": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "descriptors": float(len(list(Path(f"/proc/{pid}/fd").iterdir()))),
            "tasks": float(count or 0),
        }

    def largest(self) -> dict[str, float]:
        """Return the largest growth of a process; empty if none has lived for long enough."""
        lives = [samples for samples in self._samples.values() if len(samples) >= _SHORTEST]
        return {name: max(grown(life, name) for life in lives) for name in LIMITS if lives}


def grown(samples: Sequence[Sample], name: str) -> float:
    """Return how much more the last third holds at least than the first third.

    The least values are compared, because what waits for a failing key server is no growth.
    """
    values = [sample[name] for sample in samples]
    third = len(values) // 3
    return min(values[-third:]) - min(values[:third])

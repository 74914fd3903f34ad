"""How far the workers of one service have read what is in a Redis, as each of them shows it.

Whoever acknowledges a change first waits for the others' messages to arrive, which are on their
way: the next question may be anybody's. Knows no Redis.
"""

from __future__ import annotations

import asyncio
from typing import Final
from zlib import crc32

from verifier.revocation.stores.redis_data import Seen
from verifier.storage.worker_counters import WorkerCounters

_PATIENCE: Final = 0.5  # seconds; who takes longer learns of it as other replicas do
_BETWEEN_LOOKS: Final = 0.001
_NOTHING: Final = 0
_VERSION_BITS: Final = 32


class Siblings:
    """The workers of this service.

    Args:
        bell: Is theirs.
        worker: Which of them this is.
    """

    def __init__(self, bell: WorkerCounters, worker: int) -> None:
        self._bell = bell
        self._worker = worker

    def show(self, seen: Seen | None) -> None:
        """Tell them what this one judges by; None while it judges nothing."""
        self._bell.show(self._worker, _NOTHING if seen is None else _mark(seen))

    async def know(self, seen: Seen) -> None:
        """Wait until all judge by this, or by what came later; for those who can do so at once."""
        loop, mark = asyncio.get_running_loop(), _mark(seen)
        end = loop.time() + _PATIENCE
        while not self._all_know(mark) and loop.time() < end:  # noqa: ASYNC110  # other processes
            await asyncio.sleep(_BETWEEN_LOOKS)

    def _all_know(self, mark: int) -> bool:
        shown = self._bell.shown()
        del shown[self._worker]
        return all(each == _NOTHING or _has(each, mark) for each in shown)


def _mark(seen: Seen) -> int:
    return (crc32(seen.epoch.encode()) << _VERSION_BITS) + seen.version % (1 << _VERSION_BITS)


def _has(shown: int, mark: int) -> bool:
    return shown >> _VERSION_BITS == mark >> _VERSION_BITS and shown >= mark

"""How far each worker of one service has read the changes in Redis.

A worker that changes a revocation must not acknowledge it before the other workers know the change:
the next request may reach any of them. The message about the change is already on its way to each
worker, so that the acknowledgement only has to wait until all have received it.

Each worker publishes its position as its counter in shared memory. The counter is:

* 0 while the worker has read no revocations: it is starting or stopping, or never ran. Other
  workers do not wait for it.
* Otherwise a number of 64 bits. The upper half is the CRC-32 of the epoch, because epochs are only
  compared for equality. The lower half is the version, modulo 2**32.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from zlib import crc32

from verifier.revocation.stores.redis_data import Position
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity

# A worker that needs longer learns of the change like another replica: by message, a little later.
_MAX_WAIT: Final = 0.5  # seconds
_NONE: Final = 0
_VERSION_BITS: Final = 32


class WorkerPositions:
    """The positions of all workers of this service.

    Args:
        identity: This worker.
    """

    def __init__(self, identity: WorkerIdentity) -> None:
        self._counters: WorkerCounters = identity.counters
        self._worker = identity.worker
        self._pipe = identity.counters.readable_after_change(identity.worker)
        self._changed = asyncio.Event()  # set, and replaced, when another worker has published

    def open(self) -> None:
        """Publish that this worker has read nothing, and notice what other workers publish."""
        self._counters.publish(self._worker, _NONE)
        if self._pipe is not None:
            asyncio.get_running_loop().add_reader(self._pipe, self._notice)

    def close(self) -> None:
        """Publish that this worker is not to be waited for, and notice nothing any more."""
        self._counters.publish(self._worker, _NONE)
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)

    def publish(self, position: Position) -> None:
        """Publish the position of this worker."""
        self._counters.publish(self._worker, _encode(position))

    async def wait_for(self, position: Position) -> None:
        """Wait at most 0.5 s until all other workers have reached a position."""
        expected = _encode(position)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MAX_WAIT):
                while not self._have_reached(expected):
                    await self._changed.wait()

    def _notice(self) -> None:
        self._counters.empty_pipe(self._worker)
        self._changed.set()
        self._changed = asyncio.Event()

    def _have_reached(self, expected: int) -> bool:
        others = self._counters.read()
        del others[self._worker]
        return all(counter == _NONE or _includes(counter, expected) for counter in others)


def _encode(position: Position) -> int:
    epoch = crc32(position.epoch.encode())
    return (epoch << _VERSION_BITS) + position.version % (1 << _VERSION_BITS)


def _includes(encoded: int, expected: int) -> bool:
    return encoded >> _VERSION_BITS == expected >> _VERSION_BITS and encoded >= expected

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
from typing import Final
from zlib import crc32

from verifier.revocation.stores.redis_data import Position
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity

# A worker that needs longer learns of the change like another replica: by message, a little later.
_MAX_WAIT: Final = 0.5  # seconds
_INTERVAL: Final = 0.001  # seconds
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

    def publish(self, position: Position | None) -> None:
        """Publish the position of this worker; None while the worker has read nothing."""
        self._counters.publish(self._worker, _NONE if position is None else _encode(position))

    async def wait_for(self, position: Position) -> None:
        """Wait at most 0.5 s until all other workers have reached a position."""
        loop, expected = asyncio.get_running_loop(), _encode(position)
        deadline = loop.time() + _MAX_WAIT
        # Shared memory sends no events, hence the polling.
        while not self._have_reached(expected) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_INTERVAL)

    def _have_reached(self, expected: int) -> bool:
        others = self._counters.read()
        del others[self._worker]
        return all(counter == _NONE or _includes(counter, expected) for counter in others)


def _encode(position: Position) -> int:
    epoch = crc32(position.epoch.encode())
    return (epoch << _VERSION_BITS) + position.version % (1 << _VERSION_BITS)


def _includes(encoded: int, expected: int) -> bool:
    return encoded >> _VERSION_BITS == expected >> _VERSION_BITS and encoded >= expected

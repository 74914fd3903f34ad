"""``sqlite:///path``: revocations in a file, which survive restarts and crashes.

Several processes may share the file. A process learns of a change in one of three ways:

* it made the change itself, and reads the file before it acknowledges the change;
* another worker of the same service made the change, and incremented its counter in shared memory.
  ``refresh`` compares the counters before each decision, so that the next decision of each worker
  knows the change;
* another service made the change. The file's data version, which SQLite maintains, then differs.
  A task compares it twice a second.

Two connections are open. The writer belongs to a thread of its own, because a disk may be slow and
the event loop must not wait for it. The reader belongs to the event loop: changes must be applied
before the next decision, and reading a few rows takes microseconds. In WAL mode a reader never
waits for a writer.

After a failure, ``problem`` says what failed, and decisions continue with the revocations that were
read before. The task tries twice a second to read and to write, and clears ``problem`` when both
succeed. ``refresh`` does not read again until there is another change: each failed reading can take
``_READ_WAIT``, and decisions wait meanwhile.

Rows of ended revocations are deleted when their end is certain (``ConfirmedClock``): a clock that
is wrong for a while must not lose them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from verifier.background import start_task
from verifier.log import log
from verifier.revocation.model import BadRevocationError, Revocation
from verifier.revocation.stores.base import RevocationSink
from verifier.revocation.stores.sqlite_file import RevocationFile
from verifier.storage.confirmed_clock import ConfirmedClock
from verifier.storage.errors import StoreConfigError, StoreUnavailableError
from verifier.storage.sqlite import FAILURES, describe
from verifier.storage.worker_counters import WorkerIdentity

_POLL_SECONDS: Final = 0.5
_PURGE_SECONDS: Final = 60.0
_CHUNK: Final = 500  # revocations that are read at once; no request is decided meanwhile
_WRITE_WAIT: Final = 5.0  # seconds to wait for other writers, in the writer's thread
_READ_WAIT: Final = 0.02  # seconds; the event loop waits, and readers hardly ever have to

_T = TypeVar("_T")


class SqliteStore:
    """A ``RevocationStore`` in a file.

    Args:
        path: The file.
        identity: The worker that uses the store.
        clock: Unix time, seconds.
    """

    def __init__(
        self, path: Path, identity: WorkerIdentity, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._counters = identity.counters
        self._worker = identity.worker
        self._clock = clock
        self._confirmed_time = ConfirmedClock(clock)
        self._counters_read = b""  # at the time of the last reading
        self._last_change = 0
        self._data_version = 0
        self.loaded = False
        self.problem: str | None = None
        self._thread = ThreadPoolExecutor(1, "revocations")
        self._polling: asyncio.Task[None] | None = None

    async def start(self, sink: RevocationSink) -> None:
        """Read all revocations.

        Raises:
            StoreConfigError: the file cannot be used.
        """
        self._sink = sink
        try:
            self._writer = await self._in_thread(partial(RevocationFile, self._path, _WRITE_WAIT))
            await self._in_thread(self._writer.file.check_content)
            self._reader = RevocationFile(self._path, _READ_WAIT)
            await self._read_all()
        except (*FAILURES, BadRevocationError) as error:
            raise StoreConfigError(_unusable(self._path, error)) from None
        self.loaded = True
        self._polling = start_task(self._poll(), "revocation store")

    def refresh(self) -> None:
        """Apply changes of this service's other workers to the sink now."""
        if self._counters.snapshot() != self._counters_read:
            self._try_to_read()

    async def put(self, revocation: Revocation) -> None:
        """Store a revocation.

        Raises:
            StoreUnavailableError: the revocation is not stored, or could not be read back.
        """
        await self._write(lambda: self._writer.put(revocation))

    async def remove(self, revocation_id: str) -> bool:
        """Remove a revocation; returns False where no revocation has this ID.

        Raises:
            StoreUnavailableError: the revocation may still be stored.
        """
        return await self._write(lambda: self._writer.remove(revocation_id, self._clock()))

    async def close(self) -> None:
        """Close the file."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        # After a failed start, one connection or both are missing. To close the last connection to
        # a file writes to the disk, so that neither is closed by the event loop's thread.
        for name, run in (("_reader", asyncio.to_thread), ("_writer", self._in_thread)):
            opened: RevocationFile | None = getattr(self, name, None)
            if opened is not None:
                await run(opened.file.close)
        self._thread.shutdown()

    async def _write(self, write: Callable[[], _T]) -> _T:
        def write_and_increment() -> _T:
            result = write()
            # Before the change is acknowledged, and even if the caller was cancelled meanwhile.
            self._counters.increment(self._worker)
            return result

        try:
            result = await self._in_thread(write_and_increment)
        except FAILURES as error:
            self._mark_unavailable(error)
            raise StoreUnavailableError(self.problem) from None
        if not self._try_to_read():
            raise StoreUnavailableError(self.problem)
        self._mark_available()
        return result

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _read_all(self) -> None:
        """Read all changes in chunks, between which the event loop runs.

        The supervisor kills a worker whose event loop is blocked for too long.
        """
        more = True
        while more:
            more = self._read_changes(_CHUNK)
            await asyncio.sleep(0)

    def _read_changes(self, limit: int = -1) -> bool:
        """Apply all changes since the last reading to the sink; returns False without any."""
        # The counters come first: a change that is made after this line and is missed by the
        # reading increments a counter, so that the next ``refresh`` reads again.
        counters = self._counters.snapshot()
        if self._reader.last_change() < self._last_change:
            # A backup was restored into the file. Numbers are used again, so everything is read
            # again. Revocations that only this process knows stay in force until it ends.
            log("revocation file went back to older content", logging.WARNING)
            self._last_change = 0
        changes = self._reader.changes(self._last_change, limit)
        # All bodies are read before anything is applied: a damaged row must not leave the sink with
        # a part of the changes.
        stored = [
            Revocation.from_json(change.body) for change in changes if change.body is not None
        ]
        removed = [change.revocation_id for change in changes if change.body is None]
        if changes:
            self._sink.remove(removed)
            self._sink.put(stored)
            self._last_change = changes[-1].number
        self._counters_read = counters
        return bool(changes)

    def _try_to_read(self) -> bool:
        counters = self._counters.snapshot()
        try:
            self._read_changes()
        except (*FAILURES, BadRevocationError) as error:
            # ``refresh`` does not try again; ``_poll`` does.
            self._counters_read = counters
            self._mark_unavailable(error)
            return False
        return True

    async def _poll(self) -> None:
        """Look for changes of other services, recover after failures, and purge."""
        loop = asyncio.get_running_loop()
        purge_at = loop.time() + _PURGE_SECONDS
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self._check_file()
                if loop.time() >= purge_at:
                    purge_at = loop.time() + _PURGE_SECONDS
                    await self._in_thread(partial(self._writer.purge, self._confirmed_time()))
            except FAILURES as error:
                self._mark_unavailable(error)

    async def _check_file(self) -> None:
        failed = self.problem is not None
        if failed and self._try_to_read():
            # A file can be readable and yet not writable, for instance on a full disk.
            await self._in_thread(self._writer.file.check_writable)
        # This also notices a file that was deleted or replaced.
        version = self._reader.file.data_version
        if (failed or version != self._data_version) and self._try_to_read():
            self._data_version = version
            self._mark_available()

    def _mark_unavailable(self, error: Exception) -> None:
        if self.problem is None:
            log("revocation store unavailable", logging.ERROR, error=describe(error))
        self.problem = f"revocation store: {describe(error)}"

    def _mark_available(self) -> None:
        if self.problem is not None:
            log("revocation store available again", logging.WARNING)
        self.problem = None


def _unusable(path: Path, error: Exception) -> str:
    expected = "a file that this program has made, or none yet in a directory to write to"
    option = "revocation_store (VERIFIER_REVOCATION_STORE)"
    return f"{option}: sqlite://{path}: {describe(error)}; expected {expected}"

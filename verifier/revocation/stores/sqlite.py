"""``sqlite:///path``: revocations in a file, which survive restarts and kills.

Several processes may share the file. The workers of one service notice each other's changes at
the next decision, by a bell; other services' changes are looked for twice a second. Writing is
for a thread of its own, since a disk may take its time; reading on is for whoever decides, since
that has to come first.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from verifier.log import log
from verifier.revocation.model import Revocation
from verifier.revocation.parsing import BadRevocationError, read_revocation
from verifier.revocation.stores.base import (
    RevocationSink,
    StoreConfigError,
    StoreUnavailableError,
)
from verifier.revocation.stores.sqlite_file import NotOursError, SqliteFile
from verifier.storage.worker_counters import WorkerCounters

_POLL_SECONDS: Final = 0.5
_PURGE_SECONDS: Final = 60.0
_PIECE: Final = 500
_WRITE_WAIT: Final = 5.0  # seconds, for others who write
_READ_WAIT: Final = (
    0.02  # nobody is decided about meanwhile; readers have to wait for hardly anything
)

_T = TypeVar("_T")


class SqliteStore:
    """A ``Store`` in a file.

    Args:
        path: Where it is.
        bell: Tells this service's other workers.
        worker: Which of them this is.
        clock: Unix time, seconds.
    """

    def __init__(
        self, path: Path, bell: WorkerCounters, worker: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._bell = bell
        self._worker = worker
        self._clock = clock
        self._heard = b""
        self._after = 0
        self._seen_version = 0
        self.loaded = False
        self.problem: str | None = None
        self._thread = ThreadPoolExecutor(1, "revocations")
        self._polling: asyncio.Task[None] | None = None

    async def start(self, copy: RevocationSink) -> None:
        """Read everything.

        Raises:
            StoreConfigError: the file cannot be used.
        """
        self._copy = copy
        try:
            self._writer = await self._in_thread(partial(SqliteFile, self._path, _WRITE_WAIT))
            await self._in_thread(self._writer.check)
            self._reader = SqliteFile(self._path, _READ_WAIT)
            await self._read_all()
        except (OSError, sqlite3.Error, NotOursError, BadRevocationError) as error:
            raise StoreConfigError(_complaint(self._path, error)) from None
        self.loaded = True
        self._polling = asyncio.create_task(self._poll())

    def refresh(self) -> None:
        """Read now what this service's other workers have changed, where anything has."""
        if self._bell.heard() != self._heard:
            self._try_to_read_on()

    async def put(self, revocation: Revocation) -> None:
        """Store a revocation.

        Raises:
            StoreUnavailableError: it is not stored, or not known here.
        """
        await self._write(lambda: self._writer.put(revocation))

    async def remove(self, name: str) -> bool:
        """Undo a revocation; returns False where there is none of that name.

        Raises:
            StoreUnavailableError: it may still be stored.
        """
        return await self._write(lambda: self._writer.remove(name, self._clock()))

    async def close(self) -> None:
        """Close the file."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        for name, close in (("_reader", asyncio.to_thread), ("_writer", self._in_thread)):
            opened: SqliteFile | None = getattr(self, name, None)
            if opened is not None:
                await close(opened.close)
        self._thread.shutdown()

    async def _write(self, write: Callable[[], _T]) -> _T:
        def write_and_ring() -> _T:
            done = write()
            self._bell.ring(self._worker)
            return done

        try:
            done = await self._in_thread(write_and_ring)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            raise StoreUnavailableError(self.problem) from None
        if not self._try_to_read_on():
            raise StoreUnavailableError(self.problem)
        self._recover()
        return done

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _read_all(self) -> None:
        """Read in pieces: a process whose loop stands still for long is taken for stuck."""
        more = True
        while more:
            more = self._read_on(_PIECE)
            await asyncio.sleep(0)

    def _read_on(self, most: int = -1) -> bool:
        """Bring the copy up to what is stored, or nearer to it; False where it was."""
        heard = self._bell.heard()
        changes = self._reader.changes(self._after, most)
        put = [read_revocation(body) for _, _, body in changes if body is not None]
        gone = [name for _, name, body in changes if body is None]
        if changes:
            self._copy.remove(gone)
            self._copy.put(put)
            self._after = changes[-1][0]
        self._heard = heard
        return bool(changes)

    def _try_to_read_on(self) -> bool:
        try:
            self._read_on()
        except (OSError, sqlite3.Error, BadRevocationError) as error:
            self._fail(error)
            return False
        return True

    async def _poll(self) -> None:
        purged = self._clock()
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self._look()
                if abs(self._clock() - purged) >= _PURGE_SECONDS:
                    purged = self._clock()
                    await self._in_thread(partial(self._writer.purge, purged))
            except (OSError, sqlite3.Error) as error:
                self._fail(error)

    async def _look(self) -> None:
        """See whether other services have changed anything, and whether what failed still does."""
        failed = self.problem is not None
        if failed:
            await self._in_thread(self._writer.probe)
        version = self._reader.version
        if (failed or version != self._seen_version) and self._try_to_read_on():
            self._seen_version = version
            self._recover()

    def _fail(self, error: Exception) -> None:
        if self.problem is None:
            log("revocation store unavailable", logging.ERROR, error=_reason(error))
        self.problem = f"revocation store: {_reason(error)}"

    def _recover(self) -> None:
        if self.problem is not None:
            log("revocation store available again", logging.WARNING)
        self.problem = None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _complaint(path: Path, error: Exception) -> str:
    expected = "a file that this program has made, or none yet in a directory to write to"
    name = "revocation_store (VERIFIER_REVOCATION_STORE)"
    return f"{name}: sqlite://{path}: {_reason(error)}; expected {expected}"

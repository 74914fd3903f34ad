"""Redemptions in SQLite: in a file that several processes share, or in the memory of one process.

The table is called ``uses``; its column ``name`` contains ``EntryAttempt.token_id``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from verifier.single_use.model import EntryAttempt
from verifier.storage.confirmed_clock import ConfirmedClock
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.sqlite import FAILURES, FileFormat, SqliteFile, describe

FILE_FORMAT: Final = FileFormat(
    application_id=0x4A565255,  # "JVRU"
    version=1,
    schema="""
CREATE TABLE IF NOT EXISTS uses (
    name TEXT PRIMARY KEY,
    browser TEXT,
    open_until REAL NOT NULL,
    keep_until REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ends ON uses (keep_until);
""",
    # Files of early versions have this table and neither application ID nor version.
    unmarked_tables=frozenset({"uses"}),
)

_FIND: Final = "SELECT browser, open_until FROM uses WHERE name = ?"
_RECORD: Final = (
    "INSERT INTO uses VALUES (?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET open_until = excluded.open_until"
)
_PURGE: Final = (
    "DELETE FROM uses WHERE name IN (SELECT name FROM uses WHERE keep_until < ? LIMIT ?)"
)
_WRITE_WAIT: Final = 2.0  # seconds to wait for other processes that write
_PURGE_SECONDS: Final = 60.0
_MAX_PURGED: Final = 10_000  # per transaction, because other writers wait meanwhile


class SqliteRedemptions:
    """A ``RedemptionStore`` in SQLite.

    Args:
        path: The file, which is made if it does not exist; None for this process' memory.
        clock: Unix time, seconds.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        # A clock that is wrong for a while must not delete the records of tokens that are still
        # good.
        self._confirmed_time = ConfirmedClock(clock)
        self._purge_at = time.monotonic() + _PURGE_SECONDS
        self._file: SqliteFile | None = None
        # One thread: a disk may be slow, and the event loop must not wait for it.
        self._thread = ThreadPoolExecutor(1, "redemptions")

    async def redeem(self, attempt: EntryAttempt) -> bool:
        """Record the first use of a token; returns whether to admit the browser.

        Raises:
            StoreUnavailableError: the file cannot be used, or was deleted or replaced.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._redeem, attempt)
        except FAILURES as error:
            raise StoreUnavailableError(f"redemption store: {describe(error)}") from None

    async def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._file.close)
        self._thread.shutdown()

    def _redeem(self, attempt: EntryAttempt) -> bool:
        file = self._opened()
        # Also where nothing is written below: a deleted file does not get the redemptions that
        # other processes record, so that its answer would be wrong.
        file.check_path()
        self._purge(file)
        decided = self._decide(file, attempt)
        if decided is not None:
            return decided
        # Another process may have recorded its redemption, or purged one, since the first look.
        with file.writing():
            decided = self._decide(file, attempt)
            if decided is not None:
                return decided
            window_end = self._clock() + attempt.window
            values = (attempt.token_id, attempt.browser, window_end, attempt.keep_until)
            file.execute(_RECORD, values)
        return True

    def _decide(self, file: SqliteFile, attempt: EntryAttempt) -> bool | None:
        """Return whether to admit the browser; None if so, and if that is to be recorded."""
        row = file.execute(_FIND, (attempt.token_id,)).fetchone()
        if row is None:
            return None
        first_browser, open_until = row
        if attempt.browser is not None and attempt.browser == first_browser:
            return None
        # The clock is read after the record. With a time from before that, a window of 0 seconds
        # would still be open.
        return bool(self._clock() < open_until)

    def _opened(self) -> SqliteFile:
        # After a failure, the next redemption tries to open the file again.
        if self._file is None:
            self._file = SqliteFile(self._path, FILE_FORMAT, _WRITE_WAIT)
        return self._file

    def _purge(self, file: SqliteFile) -> None:
        if time.monotonic() >= self._purge_at:
            self._purge_at = time.monotonic() + _PURGE_SECONDS
            with file.writing():
                file.execute(_PURGE, (self._confirmed_time(), _MAX_PURGED))

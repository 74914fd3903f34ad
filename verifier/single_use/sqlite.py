"""Uses in SQLite: in a file that several processes share, or in memory for one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from verifier.revocation.stores.base import StoreUnavailableError
from verifier.single_use.base import Redemption

_WAIT: Final = 2.0  # seconds, for other processes that write
_PURGE_SECONDS: Final = 60.0
_MOST_PURGED: Final = 10_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS uses (
    name TEXT PRIMARY KEY,
    browser TEXT,
    open_until REAL NOT NULL,
    keep_until REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ends ON uses (keep_until);
"""
_FIND: Final = "SELECT browser, open_until FROM uses WHERE name = ?"
_RECORD: Final = "INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?)"
_REOPEN: Final = "UPDATE uses SET open_until = ? WHERE name = ?"
_PURGE: Final = (
    "DELETE FROM uses WHERE name IN (SELECT name FROM uses WHERE keep_until < ? LIMIT ?)"
)


class SqliteRedemptions:
    """Uses in a file.

    Args:
        path: Where it is, made if it is not there; None for this process' memory.
        clock: Unix time, seconds.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._purged = clock()
        self._connection: sqlite3.Connection | None = None
        # A disk may take its time, and is asked for one thing after the other.
        self._thread = ThreadPoolExecutor(1, "uses")

    async def claim(self, use: Redemption) -> bool:
        """Let the first one in, and again within the window (``Uses``)."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._claim, use)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailableError(f"uses: {error}") from None

    async def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    def _claim(self, use: Redemption) -> bool:
        connection = self._opened()
        self._purge(connection)
        recorded = (use.name, use.browser, self._clock() + use.window, use.keep_until)
        found = connection.execute(_FIND, (use.name,)).fetchone()
        if found is None:
            if connection.execute(_RECORD, recorded).rowcount == 1:
                return True
            found = connection.execute(_FIND, (use.name,)).fetchone()
        browser, open_until = found
        now = self._clock()  # not before others have said when they came
        if use.browser is None or use.browser != browser:
            return bool(now < open_until)
        connection.execute(_REOPEN, (now + use.window, use.name))
        return True

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:  # and what SQLite puts beside it: nobody else's
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(
                self._path or ":memory:",
                timeout=_WAIT,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _purge(self, connection: sqlite3.Connection) -> None:
        now = self._clock()
        if abs(now - self._purged) >= _PURGE_SECONDS:
            self._purged = now
            connection.execute(_PURGE, (now, _MOST_PURGED))

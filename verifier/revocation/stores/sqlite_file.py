"""The SQLite file: its schema, and the few statements that anybody runs on it.

One row for each revocation; ``changed`` grows with every change and is never used twice, so that
whoever has read up to one number reads on from there. What was undone stays as a row without a
body until it would have ended. Knows neither threads nor this process' copy.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from verifier.revocation.model import Revocation

APPLICATION: Final = 0x4A565256  # "JVRV"
_VERSION: Final = 1
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS revocations (
    changed INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    expires REAL NOT NULL,
    body TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS ends ON revocations (expires);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_MOST_PURGED: Final = 1_000  # at one time: nobody waits long for the file


class NotOursError(Exception):
    """The file is not one of ours; says what it is."""


class SqliteFile:
    """One connection to the file, for one thread.

    Args:
        path: Where it is; made if it is not there.
        wait: How long, seconds, to wait for others who use the file.

    Raises:
        OSError: it cannot be opened or made.
        sqlite3.Error: it is no database, or cannot be written to.
        NotOursError: it is somebody else's.
    """

    def __init__(self, path: Path, wait: float) -> None:
        self._path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._identity = _identity(path)
        self._connection = sqlite3.connect(
            path, timeout=wait, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def check(self) -> None:
        """Look through the whole file.

        Raises:
            sqlite3.DatabaseError: it is damaged.
        """
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")

    @property
    def version(self) -> int:
        """A number that differs once somebody else has changed the file."""
        self._check_place()
        (found,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(found)

    def put(self, revocation: Revocation) -> None:
        """Store a revocation; on the disk when this returns."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO revocations (name, expires, body) VALUES (?, ?, ?)",
                (revocation.name, revocation.expires, revocation.to_json()),
            )

    def remove(self, name: str, now: float) -> bool:
        """Undo a revocation; returns False where none of that name holds at ``now``."""
        with self._writing():
            found = self._connection.execute(
                "SELECT expires FROM revocations"
                " WHERE name = ? AND body IS NOT NULL AND expires > ?",
                (name, now),
            ).fetchone()
            if found is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO revocations (name, expires, body) VALUES (?, ?, NULL)",
                    (name, found[0]),
                )
        return found is not None

    def purge(self, now: float) -> None:
        """Delete some of what had ended by then, Unix seconds."""
        with self._writing():
            self._connection.execute(
                "DELETE FROM revocations WHERE changed IN"
                " (SELECT changed FROM revocations WHERE expires <= ? ORDER BY expires LIMIT ?)",
                (now, _MOST_PURGED),
            )

    def probe(self) -> None:
        """Find out whether anything can be written, by writing what stands there already."""
        with self._writing():
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def changes(self, after: int, most: int = -1) -> list[tuple[int, str, str | None]]:
        """Give number, name and body of what was changed after a number, in order.

        Args:
            after: The number.
            most: How many of them, at most; -1 for all.
        """
        found = self._connection.execute(
            "SELECT changed, name, body FROM revocations WHERE changed > ? ORDER BY changed"
            " LIMIT ?",
            (after, most),
        )
        return found.fetchall()

    def _prepare(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (tables or version) and application != APPLICATION:
            raise NotOursError("a database of another program")
        if version > _VERSION:
            raise NotOursError("a file of a newer version of this program")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version < _VERSION:
            self._connection.executescript(_SCHEMA)

    def _check_place(self) -> None:
        if _identity(self._path) != self._identity:
            raise sqlite3.OperationalError("the file has been replaced")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Write all or nothing, and only into the file that will be there after a restart."""
        self._check_place()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino

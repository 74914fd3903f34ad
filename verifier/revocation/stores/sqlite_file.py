"""The file of revocations: its table, and the statements on it.

The table has one row for each revocation. Every change inserts a row with a new number, in the
column ``changed``: one more than any number before, and never used twice (``AUTOINCREMENT``). A
reader remembers the last number that it has read, and finds all later changes behind that number.

For the same reason a removed revocation stays as a row without ``body``, so that readers learn of
the removal. The row is deleted once the revocation would have ended, like any other.

The column ``name`` contains ``Revocation.id``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from verifier.revocation.model import Revocation
from verifier.storage.sqlite import FileFormat, SqliteFile

FILE_FORMAT: Final = FileFormat(
    application_id=0x4A565256,  # "JVRV"
    version=1,
    schema="""
CREATE TABLE IF NOT EXISTS revocations (
    changed INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    expires REAL NOT NULL,
    body TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS ends ON revocations (expires);
""",
)

_PUT: Final = "INSERT OR REPLACE INTO revocations (name, expires, body) VALUES (?, ?, ?)"
_END_OF_ACTIVE: Final = (
    "SELECT expires FROM revocations WHERE name = ? AND body IS NOT NULL AND expires > ?"
)
_PURGE: Final = (
    "DELETE FROM revocations WHERE changed IN"
    " (SELECT changed FROM revocations WHERE expires <= ? ORDER BY expires LIMIT ?)"
)
_CHANGES: Final = (
    "SELECT changed, name, body FROM revocations WHERE changed > ? ORDER BY changed LIMIT ?"
)
_LAST: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'revocations'"
_MAX_PURGED: Final = 1_000  # per transaction, because other writers wait meanwhile


class Change(NamedTuple):
    """One change of the file.

    Attributes:
        number: The number of the change.
        revocation_id: The revocation that was changed.
        body: The revocation as JSON; None where it was removed.
    """

    number: int
    revocation_id: str
    body: str | None


class RevocationFile:
    """One connection to the file, for one thread at a time.

    Args:
        path: The file, which is made if it does not exist.
        wait: Seconds to wait for other processes that use the file.

    Raises:
        OSError: the file cannot be opened or made.
        sqlite3.Error: the file is no database, or cannot be written.
        ForeignFileError: the file is of another program or a newer version.
    """

    def __init__(self, path: Path, wait: float) -> None:
        self.file = SqliteFile(path, FILE_FORMAT, wait)

    def put(self, revocation: Revocation) -> None:
        """Store a revocation; it is on the disk when this returns."""
        with self.file.writing():
            self.file.execute(_PUT, (revocation.id, revocation.expires, revocation.to_json()))

    def remove(self, revocation_id: str, now: float) -> bool:
        """Remove a revocation; returns False where none with this ID is active at ``now``."""
        with self.file.writing():
            row = self.file.execute(_END_OF_ACTIVE, (revocation_id, now)).fetchone()
            if row is not None:
                self.file.execute(_PUT, (revocation_id, row[0], None))
        return row is not None

    def purge(self, now: float) -> None:
        """Delete some rows of revocations that have ended at ``now``, Unix seconds."""
        with self.file.writing():
            self.file.execute(_PURGE, (now, _MAX_PURGED))

    def last_change(self) -> int:
        """Return the number of the last change, also if its row was deleted; 0 for none."""
        row = self.file.execute(_LAST).fetchone()
        return 0 if row is None else int(row[0])

    def changes(self, after: int, limit: int = -1) -> list[Change]:
        """Return the changes after a number, in their order.

        Args:
            after: The number.
            limit: The most changes to return; -1 for all.
        """
        return [Change(*row) for row in self.file.execute(_CHANGES, (after, limit))]

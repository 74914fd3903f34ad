"""SQLite files of this program: how one is opened, marked, and checked for replacement.

Revocations and redemptions each have a file, and both files are opened here. A file is:

* readable by its owner only (mode 0600). SQLite gives the same mode to the files beside it
  (``-wal`` and ``-shm``);
* in WAL mode, in which readers never wait for a writer, with ``synchronous = FULL``, with which a
  committed change survives a power failure;
* marked with an application ID and a schema version, so that a file of another program, or of a
  newer version of this program, is refused and stays unchanged;
* compared with its path before and after each write. So is the file ``-wal``, which contains the
  latest changes. A process can continue to use a file that was deleted or replaced, but no restart
  will find what that process writes. Such a write must fail.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Value: TypeAlias = str | float | None

URL_PREFIX: Final = "sqlite://"
"""What precedes the absolute path of a file in the option ``revocation_store``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """What distinguishes one kind of file from all other SQLite files.

    Attributes:
        application_id: SQLite's ``application_id``.
        version: Version of the schema, SQLite's ``user_version``; at least 1.
        schema: The statements that create the tables. A second run of them changes nothing.
        unmarked_tables: The tables of files that were made before files of this kind had marks;
            empty where there never were such files.
    """

    application_id: int
    version: int
    schema: str
    unmarked_tables: frozenset[str] = frozenset()


class ForeignFileError(Exception):
    """The file is of another program, or of a newer version of this program."""


FAILURES: Final = (OSError, sqlite3.Error, ForeignFileError)
"""What opening, reading and writing a file may raise."""


def describe(error: Exception) -> str:
    """Return what went wrong, without the path of the file."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class SqliteFile:
    """One connection to a file, for one thread at a time.

    Args:
        path: The file, which is made if it does not exist; None for a database in memory.
        file_format: The kind of file.
        wait: Seconds to wait for other processes that write to the file.

    Raises:
        OSError: the file cannot be opened or made.
        sqlite3.Error: the file is no database, or cannot be written.
        ForeignFileError: the file is of another program or a newer version.
    """

    def __init__(self, path: Path | None, file_format: FileFormat, wait: float) -> None:
        self._path = path
        self._format = file_format
        if path is not None:
            _create(path)
            self._identity = _identity(path)
            self._wal_path = path.with_name(f"{path.name}-wal")
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=wait,
            isolation_level=None,  # transactions are explicit: ``writing``
            check_same_thread=False,  # callers use the connection from one thread at a time
        )
        try:
            self._prepare()
            if path is not None:
                # The file exists now, and until the last connection is closed.
                self._wal_identity = _identity(self._wal_path)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def execute(self, statement: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(statement, values)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Commit all statements of the block, or none; the changes are on the disk afterwards.

        Raises:
            OSError: the file was deleted.
            sqlite3.Error: the file was replaced, or cannot be written. If it was replaced during
                the commit, the changes may be in the new file or in none.
        """
        self.check_path()
        # IMMEDIATE takes the write lock at once. A transaction that starts by reading could fail
        # later, when it wants to write and another process has written meanwhile.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self.check_path()

    def check_path(self) -> None:
        """Check that the path still leads to the open file.

        Raises:
            OSError: the file was deleted.
            sqlite3.OperationalError: the file was replaced by another one.
        """
        if self._path is None:
            return
        replaced = _identity(self._path) != self._identity
        if replaced or _identity(self._wal_path) != self._wal_identity:
            raise sqlite3.OperationalError("the file has been replaced")

    def check_content(self) -> None:
        """Read the whole file and check its structure.

        Raises:
            sqlite3.DatabaseError: the file is damaged.
        """
        (result,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")

    def check_writable(self) -> None:
        """Check that the file can be written, by writing its version once more.

        Raises:
            OSError: the file was deleted.
            sqlite3.Error: the file was replaced, or cannot be written.
        """
        with self.writing():
            self._connection.execute(f"PRAGMA user_version = {self._format.version}")

    @property
    def data_version(self) -> int:
        """A number that changes when another connection has changed the file."""
        self.check_path()
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _prepare(self) -> None:
        version = self._check_marks()
        # WAL is a property of the file, ``synchronous`` one of the connection.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version < self._format.version:
            self._connection.executescript(
                "BEGIN IMMEDIATE;"
                f"{self._format.schema}"
                f"PRAGMA application_id = {self._format.application_id};"
                f"PRAGMA user_version = {self._format.version};"
                "COMMIT;"
            )

    def _check_marks(self) -> int:
        """Return the version of the file's schema; 0 for a file that is new or has no marks."""
        execute = self._connection.execute
        objects = execute("SELECT type, name FROM sqlite_schema").fetchall()
        (version,) = execute("PRAGMA user_version").fetchone()
        # The application ID is read last: another process may be creating this file now, and
        # creates the tables and the ID in one transaction. Tables that were visible above
        # therefore come with an ID that is visible here.
        (application_id,) = execute("PRAGMA application_id").fetchone()
        if application_id != self._format.application_id and (objects or version):
            tables = frozenset(name for kind, name in objects if kind == "table")
            unmarked = application_id == version == 0 and tables == self._format.unmarked_tables
            if not unmarked:
                raise ForeignFileError("a database of another program")
        if version > self._format.version:
            raise ForeignFileError("a file of a newer version of this program")
        return int(version)


def _create(path: Path) -> None:
    """Make the file if there is none; SQLite would make it with the umask's mode.

    A file that exists must not be opened here. To close any descriptor of a file drops all locks
    that this process has on it (POSIX), also those of another connection. A process that closes its
    connection then takes itself for the last one, and deletes ``-wal`` while others write to it.
    """
    if not os.access(path, os.F_OK):
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino

"""SQLite files: marks, file mode, and files that were deleted, replaced or damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from verifier.storage.sqlite import FileFormat, ForeignFileError, SqliteFile

FORMAT = FileFormat(
    application_id=0x54455354,
    version=1,
    schema="CREATE TABLE IF NOT EXISTS numbers (number INTEGER);",
    unmarked_tables=frozenset({"numbers"}),
)
INSERT = "INSERT INTO numbers VALUES (1)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    with closing(SqliteFile(path, FORMAT, 1)) as opened:
        yield opened


def count(file: SqliteFile) -> int:
    (number,) = file.execute("SELECT count(*) FROM numbers").fetchone()
    return int(number)


def test_new_file_is_marked_and_private(file: SqliteFile, path: Path) -> None:
    with file.writing():
        file.execute(INSERT)
    files = sorted(path.parent.iterdir())
    assert [made.name for made in files] == ["file", "file-shm", "file-wal"]
    assert {made.stat().st_mode & 0o777 for made in files} == {0o600}
    pragmas = ("application_id", "user_version", "journal_mode", "synchronous")
    found = [file.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert found == [FORMAT.application_id, 1, "wal", 2]  # 2 is FULL


def test_a_file_keeps_its_content_when_opened_again(path: Path) -> None:
    for expected in (1, 2):
        with closing(SqliteFile(path, FORMAT, 1)) as file:
            with file.writing():
                file.execute(INSERT)
            assert count(file) == expected


def test_a_block_that_fails_writes_nothing(file: SqliteFile) -> None:
    def write_and_fail() -> None:
        with file.writing():
            file.execute(INSERT)
            raise LookupError

    with pytest.raises(LookupError):
        write_and_fail()
    assert count(file) == 0
    file.check_writable()


def test_a_deleted_file_is_noticed(file: SqliteFile, path: Path) -> None:
    away = path.rename(path.with_name("away"))
    for check in (file.check_path, file.check_writable, lambda: file.data_version):
        with pytest.raises(FileNotFoundError):
            check()
    away.rename(path)
    file.check_writable()


def test_a_replaced_file_is_noticed(file: SqliteFile, path: Path) -> None:
    path.unlink()
    path.touch()
    for check in (file.check_path, file.check_writable, lambda: file.data_version):
        with pytest.raises(sqlite3.OperationalError, match=r"^the file has been replaced$"):
            check()


@pytest.mark.parametrize("name", ["file", "file-wal"])
@pytest.mark.parametrize("replaces", [False, True])
def test_a_file_that_goes_away_during_a_write_is_noticed(
    file: SqliteFile, path: Path, name: str, *, replaces: bool
) -> None:
    def write() -> None:
        with file.writing():
            file.execute(INSERT)
            path.with_name(name).unlink()
            if replaces:
                path.with_name(name).touch()

    with pytest.raises((FileNotFoundError, sqlite3.OperationalError)):
        write()


def test_data_version_changes_with_changes_of_other_connections(
    file: SqliteFile, path: Path
) -> None:
    before = file.data_version
    assert file.data_version == before
    with closing(SqliteFile(path, FORMAT, 1)) as other, other.writing():
        other.execute(INSERT)
    assert file.data_version != before


def test_unmarked_file_with_the_known_tables_is_marked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        connection.execute(INSERT)
    with pytest.raises(ForeignFileError, match="a database of another program"):
        SqliteFile(path, replace(FORMAT, unmarked_tables=frozenset()), 1)
    with closing(SqliteFile(path, FORMAT, 1)) as file:
        assert count(file) == 1
        assert file.execute("PRAGMA application_id").fetchone() == (FORMAT.application_id,)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("CREATE TABLE theirs (number INTEGER)", "a database of another program"),
        ("PRAGMA user_version = 1", "a database of another program"),
        (
            f"PRAGMA application_id = {FORMAT.application_id}; PRAGMA user_version = 2",
            "a file of a newer version of this program",
        ),
    ],
)
def test_a_foreign_file_is_refused_and_stays_unchanged(
    path: Path, statement: str, text: str
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    before = path.read_bytes()
    with pytest.raises(ForeignFileError, match=text):
        SqliteFile(path, FORMAT, 1)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_file_is_found(path: Path) -> None:
    with closing(SqliteFile(path, FORMAT, 1)) as file, file.writing():
        for _ in range(5_000):
            file.execute(INSERT)
    raw = bytearray(path.read_bytes())
    raw[8_000:20_000] = b"\xff" * 12_000
    path.write_bytes(raw)
    with (
        closing(SqliteFile(path, FORMAT, 1)) as file,
        pytest.raises(sqlite3.DatabaseError, match="malformed"),
    ):
        file.check_content()


def test_memory_has_no_path_to_check() -> None:
    with closing(SqliteFile(None, FORMAT, 1)) as file:
        with file.writing():
            file.execute(INSERT)
        assert count(file) == 1
        file.check_content()

"""Redemptions in SQLite: files that last, are deleted, are replaced, or are of other programs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.redemption_cases import HOUR, RedemptionStoreTests, entry_attempt
from verifier.single_use import open_redemptions
from verifier.single_use.model import EntryAttempt, RedemptionStore
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedemptionStore]:
    path = None if request.param == "memory" else tmp_path / "uses"
    opened = SqliteRedemptions(path, time.time)
    yield opened
    await opened.close()


class TestSqlite(RedemptionStoreTests):
    """All tests that every store passes."""


def file_modes(directory: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in directory.iterdir()}


async def test_redemptions_survive_a_restart_until_their_end_is_certain(tmp_path: Path) -> None:
    now = HOUR

    def opened() -> SqliteRedemptions:
        return SqliteRedemptions(tmp_path / "uses", lambda: now)

    first = opened()
    assert await first.redeem(EntryAttempt("short", 0, now + 10))
    assert await first.redeem(EntryAttempt("long", 0, now + 1000))
    assert file_modes(tmp_path) == {0o600}
    await first.close()
    second = opened()
    assert not await second.redeem(EntryAttempt("short", 0, now + 10))
    now += 100
    second._purge_at = 0
    assert not await second.redeem(EntryAttempt("short", 0, now + 10))  # this clock may be wrong
    second._purge_at, second._confirmed_time._confirmed = 0, now
    second._confirmed_time._noted = now
    assert await second.redeem(EntryAttempt("short", 0, now + 10))  # the record was deleted
    assert not await second.redeem(EntryAttempt("long", 0, now + 1000))
    await second.close()


def connect_for_threads(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


async def test_a_record_that_comes_and_goes_between_two_statements_is_no_error(
    tmp_path: Path,
) -> None:
    store = SqliteRedemptions(tmp_path / "uses", time.time)
    assert await store.redeem(entry_attempt(jti="b"))
    assert store._file is not None
    with closing(connect_for_threads(tmp_path / "uses")) as other:

        def act(statement: str) -> None:
            """Record the same token, as another process, and purge it at each later statement."""
            with suppress(sqlite3.OperationalError):  # the file is locked
                if statement.startswith("BEGIN"):
                    other.execute("INSERT INTO uses VALUES ('a', NULL, 0, 1)")
                else:
                    other.execute("DELETE FROM uses WHERE name = 'a'")

        store._file._connection.set_trace_callback(act)
        assert not await store.redeem(entry_attempt())
    await store.close()


async def test_a_file_that_is_no_database_denies_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "uses"
    path.write_bytes(b"something else" * 100)
    store = SqliteRedemptions(path, time.time)
    with pytest.raises(StoreUnavailableError, match="redemption store: file is not a database"):
        await store.redeem(entry_attempt())
    path.unlink()
    assert await store.redeem(entry_attempt())
    await store.close()


async def test_a_replaced_or_deleted_file_denies_every_entry(tmp_path: Path) -> None:
    path, away = tmp_path / "uses", tmp_path / "away"
    store = SqliteRedemptions(path, time.time)
    assert await store.redeem(entry_attempt("me"))
    path.rename(away)
    # A second attempt writes nothing, and is refused all the same.
    for attempt in (entry_attempt("me"), entry_attempt(jti="b"), entry_attempt()):
        with pytest.raises(StoreUnavailableError, match="store: No such file or directory"):
            await store.redeem(attempt)
    path.touch()
    for attempt in (entry_attempt("me"), entry_attempt(jti="b"), entry_attempt()):
        with pytest.raises(StoreUnavailableError, match="store: the file has been replaced"):
            await store.redeem(attempt)
    away.rename(path)
    assert await store.redeem(entry_attempt("me"))
    assert not await store.redeem(entry_attempt())
    await store.close()


async def test_a_file_of_an_early_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "uses"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "PRAGMA journal_mode = WAL;"
            "CREATE TABLE uses (name TEXT PRIMARY KEY, browser TEXT,"
            " open_until REAL NOT NULL, keep_until REAL NOT NULL) STRICT;"
            "CREATE INDEX ends ON uses (keep_until);"
        )
        connection.execute("INSERT INTO uses VALUES ('a', NULL, 0, ?)", (HOUR,))
    store = SqliteRedemptions(path, time.time)
    assert not await store.redeem(entry_attempt())
    assert await store.redeem(entry_attempt(jti="b"))
    await store.close()


async def test_a_database_of_another_program_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "uses"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (number INTEGER)")
    before = path.read_bytes()
    store = SqliteRedemptions(path, time.time)
    with pytest.raises(StoreUnavailableError, match="a database of another program"):
        await store.redeem(entry_attempt())
    assert path.read_bytes() == before
    await store.close()


async def test_attempt_that_began_before_the_redemption_is_second(
    tmp_path: Path,
) -> None:
    # The second process reads its clock once before it looks for a recorded use.
    earlier = iter([HOUR - 1])
    first = SqliteRedemptions(tmp_path / "uses", lambda: HOUR)
    second = SqliteRedemptions(tmp_path / "uses", lambda: next(earlier, HOUR))
    assert await first.redeem(entry_attempt())
    assert not await second.redeem(entry_attempt())
    await first.close()
    await second.close()


def test_repr_of_a_redemption_hides_the_browser() -> None:
    assert "my-browser" not in repr(entry_attempt("my-browser"))


async def test_the_file_lies_beside_the_revocations(tmp_path: Path) -> None:
    workers = WorkerIdentity(0, WorkerCounters(2), tmp_path)
    for url, name in (
        (f"sqlite://{tmp_path}/revocations", "revocations-uses"),
        ("memory:", "uses"),
    ):
        store = open_redemptions(url, workers)
        assert not (tmp_path / name).exists()
        assert await store.redeem(entry_attempt())
        assert (tmp_path / name).exists()
        await store.close()
    await open_redemptions("memory:").close()


def test_unknown_store_is_refused_without_quoting_its_url() -> None:
    with pytest.raises(ValueError, match="expected memory:, sqlite://") as raised:
        open_redemptions("etcd://:password@host")
    assert "password" not in str(raised.value)

"""Revocations in a file: several workers, files that fail for a while, and purging."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.processes import wait_until
from verifier.revocation.cache import RevocationCache
from verifier.revocation.model import Revocation
from verifier.revocation.stores import open_store
from verifier.revocation.stores.memory import MemoryStore
from verifier.revocation.stores.sqlite import SqliteStore
from verifier.revocation.stores.sqlite_file import RevocationFile
from verifier.rules.model import AccessRequest
from verifier.storage.errors import StoreConfigError, StoreUnavailableError
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerCounters, WorkerIdentity
from verifier.tokens.jws import NO_HEADER, Token

LATER = time.time() + 3_600


def revocation(jti: str, expires: float = LATER, reason: str = "") -> Revocation:
    return Revocation(jti=jti, expires=expires, reason=reason)


def active(cache: RevocationCache) -> list[str]:
    return sorted(str(revocation.jti) for revocation in cache.active(time.time()))


StartWorker: TypeAlias = Callable[..., Awaitable[RevocationCache]]


@pytest.fixture
async def start_worker(tmp_path: Path) -> AsyncIterator[StartWorker]:
    """A function that starts the store of one of three workers, which share a file."""
    counters, caches = WorkerCounters(3), []

    async def start(worker: int = 0) -> RevocationCache:
        store = open_store(f"sqlite://{tmp_path}/file", WorkerIdentity(worker, counters))
        cache = RevocationCache(store, lambda: None)
        await cache.store.start(cache)
        caches.append(cache)
        return cache

    yield start
    for cache in caches:
        await cache.store.close()


async def test_other_workers_know_a_change_at_the_next_request(start_worker: StartWorker) -> None:
    first, second = await start_worker(0), await start_worker(1)
    await first.store.put(revocation("a"))
    assert active(second) == ["a"]
    assert await second.store.remove(revocation("a").id)
    assert active(first) == []
    assert not await first.store.remove(revocation("a").id)


async def test_a_check_reads_the_changes_of_other_workers(start_worker: StartWorker) -> None:
    first, second = await start_worker(0), await start_worker(1)
    await first.store.put(revocation("a"))
    token = Token(NO_HEADER, {"jti": "a"}, b"", b"")
    steps: list[str] = []

    def note(step: str, _expected: Any, _found: Any) -> None:
        steps.append(step)

    denial = second.check(AccessRequest("t"), token, time.time(), note)
    assert denial is not None
    assert (denial.code, steps) == ("revoked", ["revocation"])


async def test_no_change_is_lost_when_three_workers_write(start_worker: StartWorker) -> None:
    caches = [await start_worker(worker) for worker in range(3)]
    written = [f"t-{number}" for number in range(150)]
    await asyncio.gather(
        *[caches[number % 3].store.put(revocation(jti)) for number, jti in enumerate(written)]
    )
    for cache in caches:
        assert active(cache) == sorted(written)


async def test_the_same_criteria_replace_the_earlier_revocation(start_worker: StartWorker) -> None:
    first, second = await start_worker(0), await start_worker(1)
    await first.store.put(revocation("a", reason="first"))
    await second.store.put(revocation("a", reason="second"))
    for cache in (first, second):
        assert [revocation.reason for revocation in cache.active(time.time())] == ["second"]


async def test_only_changes_call_changed() -> None:
    calls = []
    cache = RevocationCache(MemoryStore(), lambda: calls.append(1))
    await cache.store.start(cache)
    await cache.store.put(revocation("a"))
    cache.refresh()
    cache.purge()
    assert len(calls) == 1
    await cache.store.remove(revocation("a").id)
    assert len(calls) == 2
    assert active(cache) == []
    await cache.store.close()


@pytest.mark.slow
async def test_a_foreign_row_is_reported_and_known_revocations_hold(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    cache = await start_worker()
    await cache.store.put(revocation("a"))
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO revocations (name, expires, body) VALUES ('x', ?, '{\"jit\": 1}')",
            (LATER,),
        )
        await asyncio.to_thread(wait_until, lambda: cache.store.problem, "a problem")
        assert active(cache) == ["a"]
        connection.execute("DELETE FROM revocations WHERE name = 'x'")
    await asyncio.to_thread(wait_until, lambda: cache.store.problem is None, "recovery")
    await cache.store.put(revocation("b"))
    assert active(cache) == ["a", "b"]


@pytest.mark.slow
async def test_a_file_that_goes_away_and_returns_is_noticed(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    cache = await start_worker()
    await cache.store.put(revocation("a"))
    for _ in range(2):
        (tmp_path / "file").rename(tmp_path / "away")
        await asyncio.to_thread(wait_until, lambda: cache.store.problem, "a problem")
        (tmp_path / "away").rename(tmp_path / "file")
        await asyncio.to_thread(wait_until, lambda: cache.store.problem is None, "recovery")
    assert active(cache) == ["a"]


async def test_a_write_that_waits_too_long_for_others_fails(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.revocation.stores.sqlite._WRITE_WAIT", 0.05)
    cache = await start_worker()
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="database is locked"):
            await cache.store.put(revocation("a"))
        connection.execute("ROLLBACK")
    await cache.store.put(revocation("a"))
    assert active(cache) == ["a"]


def test_ended_and_removed_revocations_are_purged_in_portions(tmp_path: Path) -> None:
    table = RevocationFile(tmp_path / "file", 1)
    with closing(table.file):
        for number in range(1_100):
            table.put(revocation(str(number), expires=100))
        table.put(revocation("kept", expires=200))
        assert table.remove(revocation("0").id, now=50)
        table.purge(150)
        assert len(table.changes(0)) == 101
        table.purge(150)
        (left,) = table.changes(0)
        # No number is used twice: a reader that has read further would miss the change.
        table.purge(250)
        table.put(revocation("new"))
        (new,) = table.changes(0)
        assert new.number > left.number


async def test_revocations_are_in_force_after_a_backup_was_restored(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    first, second = await start_worker(0), await start_worker(1)
    await first.store.put(revocation("in the backup"))
    with (
        closing(sqlite3.connect(tmp_path / "file")) as live,
        closing(sqlite3.connect(tmp_path / "backup")) as backup,
    ):
        live.backup(backup)
        for number in range(3):
            await first.store.put(revocation(f"lost {number}"))
        assert len(active(second)) == 4
        backup.backup(live)
    await first.store.put(revocation("new"))
    known = ["in the backup", "lost 0", "lost 1", "lost 2", "new"]
    assert active(first) == active(second) == known
    assert active(await start_worker(2)) == ["in the backup", "new"]


async def test_a_clock_that_jumps_forward_loses_no_revocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.revocation.stores.sqlite._PURGE_SECONDS", 0.0)
    right = time.time()
    now = right + 10 * 365 * 86_400.0
    purges: list[float] = []

    def clock() -> float:
        return now

    for _ in range(2):  # the second process reads what the first one has left
        store = SqliteStore(tmp_path / "file", SINGLE_WORKER, clock)
        cache = RevocationCache(store, lambda: None, clock)
        await store.start(cache)
        if now > right:
            await store.put(revocation("a"))
            monkeypatch.setattr(store._writer, "purge", recorded(store._writer.purge, purges))
            await asyncio.to_thread(wait_until, lambda: len(purges) >= 2, "two purges")
            cache.purge()
            assert (len(cache), active_at(cache, now)) == (0, [])
            now = right
        assert active_at(cache, now) == ["a"]
        await store.close()


def recorded(function: Callable[[float], None], calls: list[float]) -> Callable[[float], None]:
    """Return a function that notes its argument after each call."""

    def wrapper(argument: float) -> None:
        function(argument)
        calls.append(argument)

    return wrapper


def active_at(cache: RevocationCache, now: float) -> list[str | None]:
    return [each.jti for each in cache.active(now)]


async def test_a_failing_reading_is_not_repeated_before_each_decision(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    first, second = await start_worker(0), await start_worker(1)
    await first.store.put(revocation("a"))
    assert active(second) == ["a"]
    store = second.store
    assert isinstance(store, SqliteStore)
    with locked_readers(tmp_path / "file"):
        store._counters.increment(0)  # as the first worker does after a change
        attempts = count_readings(store)
        for _ in range(1_000):
            second.refresh()
        assert attempts == [1]
        assert store.problem == "revocation store: database is locked"
        assert active(second) == ["a"]
    await asyncio.to_thread(wait_until, lambda: store.problem is None, "recovery")
    await first.store.put(revocation("b"))
    assert active(second) == ["a", "b"]


def count_readings(store: SqliteStore) -> list[int]:
    """Return a list whose only item is the number of readings from now on."""
    count, read = [0], store._read_changes

    def counting(limit: int = -1) -> bool:
        count[0] += 1
        return read(limit)

    store._read_changes = counting  # type: ignore[method-assign]  # counts its calls
    return count


@contextmanager
def locked_readers(path: Path) -> Iterator[None]:
    """Do in another process what a recovery of the file does, so that readers wait in vain.

    The recovery locks the bytes 120 to 122 of the file ``-shm``, and its header is not valid
    meanwhile (https://www.sqlite.org/walformat.html, 2.3).
    """
    script = (
        "import fcntl, sys\n"
        f"file = open({str(path) + '-shm'!r}, 'r+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX, 3, 120)\n"
        "file.write(bytes(96))\n"
        "file.flush()\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.kill()


class CountingCache(RevocationCache):
    """A cache that counts the revocations that it receives in each turn of the event loop."""

    turn = 0

    def put(self, revocations: Iterable[Revocation]) -> None:
        received = list(revocations)
        self.received[self.turn] += len(received)
        super().put(received)

    @cached_property
    def received(self) -> Counter[int]:
        return Counter()

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_event_loop_runs_while_large_file_is_read(tmp_path: Path) -> None:
    with closing(RevocationFile(tmp_path / "file", 1).file) as file:
        file.check_content()
    with closing(sqlite3.connect(tmp_path / "file")) as connection, connection:
        rows = [revocation(str(number)) for number in range(5_000)]
        connection.executemany(
            "INSERT INTO revocations (name, expires, body) VALUES (?, ?, ?)",
            [(row.id, row.expires, row.to_json()) for row in rows],
        )
    cache = CountingCache(open_store(f"sqlite://{tmp_path}/file"), lambda: None)
    counting = asyncio.create_task(cache.count_turns())
    await cache.store.start(cache)
    counting.cancel()
    await cache.store.close()
    assert sum(cache.received.values()) == len(rows)
    assert max(cache.received.values()) <= len(rows) / 5


async def test_store_that_did_not_start_can_be_closed(tmp_path: Path) -> None:
    store = open_store(f"sqlite://{tmp_path}/none/file")
    cache = RevocationCache(store, lambda: None)
    with pytest.raises(StoreConfigError):
        await store.start(cache)
    await store.close()


def test_memory_of_several_workers_is_a_file(tmp_path: Path) -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(
        open_store("memory:", WorkerIdentity(0, WorkerCounters(2), tmp_path)), SqliteStore
    )


def test_unknown_store_is_refused_without_quoting_its_url() -> None:
    with pytest.raises(ValueError, match="expected memory:, sqlite://") as raised:
        open_store("etcd://:password@host")
    assert "password" not in str(raised.value)

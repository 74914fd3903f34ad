"""The stores themselves: workers that share one, files that fail for a while, and what goes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import wait_until
from verifier.revocation.model import Revocation
from verifier.revocation.stores import (
    RevocationCache,
    StoreConfigError,
    StoreUnavailableError,
    WorkerCounters,
    WorkerIdentity,
    open_store,
)
from verifier.revocation.stores.memory import MemoryStore
from verifier.revocation.stores.sqlite import SqliteStore
from verifier.revocation.stores.sqlite_file import SqliteFile
from verifier.rules.model import AccessRequest
from verifier.tokens.jws import Token

LATER = time.time() + 3_600


def revocation(name: str, expires: float = LATER, reason: str = "") -> Revocation:
    return Revocation(jti=name, expires=expires, reason=reason)


def names(known: RevocationCache) -> list[str]:
    return sorted(str(each.jti) for each in known.standing(time.time()))


Open = Callable[..., Any]


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Open]:
    """Give a function that starts one of several workers' stores in one file."""
    bell, opened = WorkerCounters(3), []

    async def start(worker: int = 0) -> RevocationCache:
        url = f"sqlite://{tmp_path}/file"
        known = RevocationCache(open_store(url, WorkerIdentity(worker, bell)), lambda: None)
        await known.store.start(known)
        opened.append(known)
        return known

    yield start
    for known in opened:
        await known.store.close()


def test_every_ring_is_heard_whoever_rings() -> None:
    bell = WorkerCounters(3)
    heard = [bell.heard()]
    for worker in (0, 2, 2, 1, 0):
        bell.ring(worker)
        assert bell.heard() not in heard
        heard.append(bell.heard())


def test_a_number_that_is_full_begins_anew() -> None:
    bell = WorkerCounters()
    bell._memory[:] = b"\xff" * 8
    bell.ring()
    assert bell.heard() == b"\0" * 8


async def test_a_sibling_knows_at_the_next_question(started: Open) -> None:
    one, other = await started(0), await started(1)
    await one.store.put(revocation("a"))
    assert names(other) == ["a"]
    assert await other.store.remove(revocation("a").name)
    assert names(one) == []
    assert not await one.store.remove(revocation("a").name)


async def test_a_question_about_access_reads_on_too(started: Open) -> None:
    one, other = await started(0), await started(1)
    await one.store.put(revocation("a"))
    token = Token({}, {"jti": "a"}, b"", b"")
    notes: list[str] = []

    def note(step: str, _expected: Any, _found: Any) -> None:
        notes.append(step)

    refused = other.refusal(AccessRequest("t"), token, time.time(), note)
    assert refused is not None
    assert (refused.code, notes) == ("revoked", ["revocation"])


async def test_nothing_is_missed_however_many_write_at_once(started: Open) -> None:
    workers = [await started(worker) for worker in range(3)]
    written = [f"t-{number}" for number in range(150)]
    await asyncio.gather(
        *[workers[number % 3].store.put(revocation(name)) for number, name in enumerate(written)]
    )
    for known in workers:
        assert names(known) == sorted(written)


async def test_the_same_criteria_again_replace_what_was_there(started: Open) -> None:
    one, other = await started(0), await started(1)
    await one.store.put(revocation("a", reason="first"))
    await other.store.put(revocation("a", reason="second"))
    for known in (one, other):
        assert [each.reason for each in known.standing(time.time())] == ["second"]


async def test_each_change_is_told_and_nothing_else() -> None:
    told = []
    known = RevocationCache(MemoryStore(), lambda: told.append(1))
    await known.store.start(known)
    await known.store.put(revocation("a"))
    known.refresh()
    known.purge(time.time())
    assert len(told) == 1
    await known.store.remove(revocation("a").name)
    assert len(told) == 2
    assert names(known) == []
    await known.store.close()


async def test_a_row_that_nobody_wrote_is_told_and_what_was_known_holds(
    started: Open, tmp_path: Path
) -> None:
    known = await started()
    await known.store.put(revocation("a"))
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO revocations (name, expires, body) VALUES ('x', ?, '{\"jit\": 1}')",
            (LATER,),
        )
        await asyncio.to_thread(wait_until, lambda: known.store.problem, "it is told")
        assert names(known) == ["a"]
        connection.execute("DELETE FROM revocations WHERE name = 'x'")
    await asyncio.to_thread(wait_until, lambda: known.store.problem is None, "recovery")
    await known.store.put(revocation("b"))
    assert names(known) == ["a", "b"]


async def test_a_file_that_is_away_is_noticed_and_so_is_its_return(
    started: Open, tmp_path: Path
) -> None:
    known = await started()
    await known.store.put(revocation("a"))
    for _ in range(2):
        (tmp_path / "file").rename(tmp_path / "away")
        await asyncio.to_thread(wait_until, lambda: known.store.problem, "it is told")
        (tmp_path / "away").rename(tmp_path / "file")
        await asyncio.to_thread(wait_until, lambda: known.store.problem is None, "recovery")
    assert names(known) == ["a"]


async def test_a_writer_that_others_keep_waiting_gives_up(
    started: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.revocation.stores.sqlite._WRITE_WAIT", 0.05)
    known = await started()
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="database is locked"):
            await known.store.put(revocation("a"))
        connection.execute("ROLLBACK")
    await known.store.put(revocation("a"))
    assert names(known) == ["a"]


def test_what_has_ended_and_what_was_undone_go_from_the_file_in_portions(tmp_path: Path) -> None:
    with closing(SqliteFile(tmp_path / "file", 1)) as file:
        for number in range(1_100):
            file.put(revocation(str(number), expires=100))
        file.put(revocation("kept", expires=200))
        assert file.remove(revocation("0").name, now=50)
        file.purge(150)
        assert len(file.changes(0)) == 101
        file.purge(150)
        (left,) = file.changes(0)
        # A number is never used twice, or somebody who has read further would miss it.
        file.purge(250)
        file.put(revocation("new"))
        ((number, _, _),) = file.changes(0)
        assert number > left[0]


class Watched(RevocationCache):
    """A copy that notes in which turn of the loop it was told how many."""

    turn = 0

    def put(self, revocations: Iterable[Revocation]) -> None:
        told = list(revocations)
        self.told[self.turn] += len(told)
        super().put(told)

    @cached_property
    def told(self) -> Counter[int]:
        return Counter()

    async def turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_the_loop_turns_while_everything_is_read(tmp_path: Path) -> None:
    with closing(SqliteFile(tmp_path / "file", 1)) as file:
        file.check()
    with closing(sqlite3.connect(tmp_path / "file")) as connection, connection:
        rows = [revocation(str(number)) for number in range(5_000)]
        connection.executemany(
            "INSERT INTO revocations (name, expires, body) VALUES (?, ?, ?)",
            [(each.name, each.expires, each.to_json()) for each in rows],
        )
    copy = Watched(open_store(f"sqlite://{tmp_path}/file"), lambda: None)
    turning = asyncio.create_task(copy.turns())
    await copy.store.start(copy)
    turning.cancel()
    await copy.store.close()
    assert sum(copy.told.values()) == len(rows)
    assert max(copy.told.values()) <= len(rows) / 5


async def test_closing_what_never_began_is_no_error(tmp_path: Path) -> None:
    store = open_store(f"sqlite://{tmp_path}/none/file")
    known = RevocationCache(store, lambda: None)
    with pytest.raises(StoreConfigError):
        await store.start(known)
    await store.close()


def test_memory_is_a_file_where_there_are_siblings(tmp_path: Path) -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(
        open_store("memory:", WorkerIdentity(0, WorkerCounters(2), tmp_path)), SqliteStore
    )

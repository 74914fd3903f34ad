"""Every store of uses, one after the other: who is first, and what follows from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.redis_server import running_redis
from verifier.revocation.stores.base import StoreUnavailableError
from verifier.single_use.base import Redemption, RedemptionStore
from verifier.single_use.redis import RedisRedemptions
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.redis_url import parse_redis_url

HOUR = time.time() + 3600


def use(browser: str | None = None, window: float = 0, name: str = "a") -> Redemption:
    return Redemption(name, window, HOUR, browser)


@pytest.fixture(params=["memory", "file", "redis"])
async def uses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedemptionStore]:
    if request.param != "redis":
        path = None if request.param == "memory" else tmp_path / "uses"
        store = SqliteRedemptions(path, time.time)
        yield store
        await store.close()
        return
    with running_redis(tmp_path) as server:
        shared = RedisRedemptions(parse_redis_url(server.url), time.time)
        yield shared
        await shared.close()


async def test_the_first_one_is_let_in_and_nobody_else(uses: RedemptionStore) -> None:
    assert await uses.claim(use())
    assert not await uses.claim(use())
    assert not await uses.claim(use("another"))
    assert await uses.claim(use(name="b"))


async def test_of_many_at_the_same_time_one_is_first(uses: RedemptionStore) -> None:
    let_in = await asyncio.gather(*[uses.claim(use(str(n))) for n in range(50)])
    assert sum(let_in) == 1


async def test_anybody_is_let_in_within_the_window(uses: RedemptionStore) -> None:
    assert await uses.claim(use("first", window=600))
    assert await uses.claim(use(window=0))
    assert await uses.claim(use("another", window=0))


async def test_the_first_browser_is_let_in_at_any_time_and_opens_the_window(
    uses: RedemptionStore,
) -> None:
    assert await uses.claim(use("first"))
    assert await uses.claim(use("first"))
    assert not await uses.claim(use())
    assert await uses.claim(use("first", window=600))
    assert await uses.claim(use())


async def test_who_was_first_without_a_cookie_is_nobodys_browser(uses: RedemptionStore) -> None:
    assert await uses.claim(use())
    assert not await uses.claim(use())
    assert not await uses.claim(use(""))


async def test_a_window_closes(uses: RedemptionStore) -> None:
    assert await uses.claim(use(window=0.05))
    async with asyncio.timeout(10):
        while await uses.claim(use()):
            pass


def rights_in(directory: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in directory.iterdir()}


async def test_uses_survive_the_process_and_are_deleted_when_they_are_of_no_use(
    tmp_path: Path,
) -> None:
    now = HOUR
    first = SqliteRedemptions(tmp_path / "uses", lambda: now)
    assert await first.claim(Redemption("short", 0, now + 10))
    assert await first.claim(Redemption("long", 0, now + 1000))
    assert rights_in(tmp_path) == {0o600}
    await first.close()
    second = SqliteRedemptions(tmp_path / "uses", lambda: now)
    assert not await second.claim(Redemption("short", 0, now + 10))
    now += 100
    assert await second.claim(Redemption("short", 0, now + 10))  # its record is gone
    assert not await second.claim(Redemption("long", 0, now + 1000))
    await second.close()


async def test_a_file_that_cannot_be_used_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "uses"
    path.write_bytes(b"something else" * 100)
    store = SqliteRedemptions(path, time.time)
    with pytest.raises(StoreUnavailableError, match="uses: file is not a database"):
        await store.claim(use())
    path.unlink()
    assert await store.claim(use())
    await store.close()


async def test_redis_keeps_a_use_until_the_token_has_ended_and_nothing_of_the_token(
    tmp_path: Path,
) -> None:
    with running_redis(tmp_path) as server:
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        keep_until = time.time() + 3600
        assert await store.claim(Redemption("0123", 0, keep_until, "me"))
        assert await store.claim(Redemption("0123", 60, keep_until, "me"))
        left = int(server.command("TTL", "jitsi-verifier:use:0123"))
        assert keep_until - time.time() - 1 <= left <= 3600
        await store.close()


async def test_without_redis_nobody_is_let_in_and_what_it_lost_is_told_to_it(
    tmp_path: Path,
) -> None:
    with running_redis(tmp_path) as server:
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert await store.claim(use("me"))
        server.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await store.claim(use("me"))
            with pytest.raises(StoreUnavailableError):
                await store.claim(use(name="b"))
        server.start()  # empty
        assert not await store.claim(use())
        assert await store.claim(use("me"))
        other = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert not await other.claim(use())
        await other.close()
        await store.close()


async def test_what_others_have_written_there_lets_nobody_in(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        server.command("SET", "jitsi-verifier:use:a", "hello")
        server.command("LPUSH", "jitsi-verifier:use:b", "hello")
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert not await store.claim(use())
        with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
            await store.claim(use(name="b"))
        await store.close()


def test_a_use_shows_no_browser() -> None:
    assert "my-browser" not in repr(use("my-browser"))


async def test_who_came_before_the_first_one_was_recorded_is_second(tmp_path: Path) -> None:
    before = iter([HOUR - 1] * 3)  # up to the moment at which it looks whether it is first
    first = SqliteRedemptions(tmp_path / "uses", lambda: HOUR)
    second = SqliteRedemptions(tmp_path / "uses", lambda: next(before, HOUR))
    assert await first.claim(use())
    assert not await second.claim(use())
    await first.close()
    await second.close()

"""Redemptions in a real Redis, which is killed, loses its data, or contains foreign values."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.redemption_cases import RedemptionStoreTests, entry_attempt
from tests.support.redis_server import running_redis
from verifier.single_use.model import EntryAttempt, RedemptionStore
from verifier.single_use.redis import RedisRedemptions
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis_url import parse_redis_url


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RedemptionStore]:
    with running_redis(tmp_path) as server:
        opened = RedisRedemptions(parse_redis_url(server.url), time.time)
        yield opened
        await opened.close()


class TestRedis(RedemptionStoreTests):
    """All tests that every store passes."""


async def test_redis_keeps_a_record_until_the_token_ends(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        keep_until = time.time() + 3600
        assert await store.redeem(EntryAttempt("0123", 0, keep_until, "me"))
        assert await store.redeem(EntryAttempt("0123", 60, keep_until, "me"))
        left = int(server.command("TTL", "jitsi-verifier:use:0123"))
        assert keep_until - time.time() - 1 <= left <= 3600
        await store.close()


async def test_a_token_stays_used_when_redis_loses_its_data(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert await store.redeem(entry_attempt("me"))
        server.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await store.redeem(entry_attempt("me"))
            with pytest.raises(StoreUnavailableError):
                await store.redeem(entry_attempt(jti="b"))
        server.start()  # without data
        assert not await store.redeem(entry_attempt())
        assert await store.redeem(entry_attempt("me"))
        other = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert not await other.redeem(entry_attempt())
        await other.close()
        await store.close()


async def test_foreign_values_deny_every_entry(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        server.command("SET", "jitsi-verifier:use:a", "hello")
        server.command("LPUSH", "jitsi-verifier:use:b", "hello")
        store = RedisRedemptions(parse_redis_url(server.url), time.time)
        assert not await store.redeem(entry_attempt())
        with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
            await store.redeem(entry_attempt(jti="b"))
        await store.close()

"""Revocations in a real Redis: messages, lost messages, lost data, and foreign data."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import revocation, running_store, until
from verifier.revocation.stores.redis_data import EPOCH_FIELD, HASH, VERSION
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


async def test_a_change_reaches_every_replica(redis: RedisServer) -> None:
    async with running_store(redis.url) as (first, sink), running_store(redis.url) as (_, other):
        await first.put(revocation("a"))
        assert sink.token_ids == {"a"}
        await until(lambda: other.token_ids == {"a"}, "the other store to know it")
        assert await first.remove(revocation("a").id)
        assert sink.token_ids == set()
        await until(lambda: other.token_ids == set(), "the other store to forget it")
        assert not await first.remove(revocation("a").id)
        assert redis.hscan_calls == 2  # one by each store; messages announced the rest


async def test_a_revocation_is_acknowledged_when_all_workers_know_it(redis: RedisServer) -> None:
    counters = WorkerCounters(2)
    async with (
        running_store(redis.url, WorkerIdentity(0, counters)) as (first, _),
        running_store(redis.url, WorkerIdentity(1, counters)) as (_, other),
    ):
        await first.put(revocation("a"))
        assert other.token_ids == {"a"}
        await first.put(revocation("b"))
        assert other.token_ids == {"a", "b"}
        assert len(set(counters.read())) == 1


async def test_a_store_that_starts_reads_all_revocations(redis: RedisServer) -> None:
    async with running_store(redis.url) as (first, _):
        for number in range(1_000):
            await first.put(revocation(str(number)))
        async with running_store(redis.url) as (second, sink):
            assert second.loaded
            assert sink.token_ids == set(map(str, range(1_000)))


async def test_a_change_without_a_message_is_found(redis: RedisServer) -> None:
    async with running_store(redis.url) as (_, sink):
        missed = revocation("missed")
        redis.command("MULTI")
        redis.command("HSET", HASH, missed.id, missed.to_json())
        redis.command("INCR", VERSION)
        await until(lambda: sink.token_ids == {"missed"}, "the change")


async def test_messages_arrive_again_after_their_connection_was_cut(redis: RedisServer) -> None:
    async with running_store(redis.url) as (first, _), running_store(redis.url) as (_, other):
        assert redis.command("CLIENT", "KILL", "TYPE", "pubsub") == "2"
        await first.put(revocation("a"))
        await until(lambda: other.token_ids == {"a"}, "the change that was made meanwhile is sink")
        calls = redis.hscan_calls
        await first.put(revocation("b"))
        await until(lambda: other.token_ids == {"a", "b"}, "the next change")
        assert redis.hscan_calls == calls


async def test_nothing_is_acknowledged_without_redis(redis: RedisServer) -> None:
    async with running_store(redis.url) as (store, sink):
        await store.put(revocation("a"))
        redis.kill()
        with pytest.raises(StoreUnavailableError, match=f"redis://127.0.0.1:{redis.port}/0: "):
            await store.put(revocation("b"))
        with pytest.raises(StoreUnavailableError):
            await store.remove(revocation("a").id)
        assert sink.token_ids == {"a"}
        await until(lambda: store.problem is not None, "a problem")
        redis.start()
        await until(lambda: store.problem is None, "recovery")
        assert sink.token_ids == {"a"}


async def test_lost_revocations_are_written_back(redis: RedisServer) -> None:
    async with running_store(redis.url) as (first, sink), running_store(redis.url) as (_, other):
        await first.put(revocation("a"))
        await until(lambda: other.token_ids == {"a"}, "the other store to know it")
        redis.kill()
        redis.start()
        await until(lambda: len(redis.stored()) == 1, "the revocation in Redis")
        assert sink.token_ids == other.token_ids == {"a"}
        async with running_store(redis.url) as (_, new):
            assert new.token_ids == {"a"}


async def test_evicted_revocations_are_written_back(redis: RedisServer) -> None:
    async with running_store(redis.url) as (store, sink):
        await store.put(revocation("a"))
        redis.command("DEL", HASH)
        await until(lambda: len(redis.stored()) == 1, "the revocation in Redis")
        assert sink.token_ids == {"a"}


async def test_a_full_redis_can_be_read_and_revocations_undone(redis: RedisServer) -> None:
    async with running_store(redis.url) as (store, _):
        await store.put(revocation("a"))
        await store.put(revocation("b"))
        redis.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreUnavailableError, match="refused"):
            await store.put(revocation("c"))
        async with running_store(redis.url) as (other, sink):
            assert sink.token_ids == {"a", "b"}
            assert await other.remove(revocation("b").id)
            assert redis.stored() == {revocation("a").id}
            redis.command("CONFIG", "SET", "maxmemory", "0")
            await store.put(revocation("c"))
            await until(lambda: sink.token_ids == {"a", "c"}, "all changes")


async def test_a_change_after_a_loss_writes_back_first(redis: RedisServer) -> None:
    async with running_store(redis.url) as (store, sink):
        await store.put(revocation("a"))
        redis.command("FLUSHALL")
        await store.put(revocation("b"))
        assert len(redis.stored()) == 2
        assert sink.token_ids == {"a", "b"}


async def test_older_data_get_another_epoch_and_are_completed(
    redis: RedisServer,
) -> None:
    async with running_store(redis.url) as (first, sink):
        await first.put(revocation("old"))
        before = redis.command("GET", VERSION)
        await first.put(revocation("new"))
        redis.command("HDEL", HASH, revocation("new").id)
        epoch = redis.command("HGET", HASH, EPOCH_FIELD)
        redis.command("SET", VERSION, before)
        await until(lambda: len(redis.stored()) == 2, "the revocation in Redis")
        assert redis.command("HGET", HASH, EPOCH_FIELD) != epoch
        assert sink.token_ids == {"old", "new"}


async def test_foreign_values_and_messages_are_ignored(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.command("HSET", HASH, "x", "no JSON", "y", '{"jti": "a"}', "z", revocation("z").to_json())
    async with running_store(redis.url) as (store, sink):
        assert store.loaded
        assert sink.token_ids == set()
        channel = "jitsi-verifier:0:revocations"
        for message in ("", "1 2 3 4", "no number", "\udc80"):
            redis.command("PUBLISH", channel, message.encode("utf-8", "replace").decode())
        await store.put(revocation("a"))
        assert sink.token_ids == {"a"}
        assert store.problem is None
    skipped = [each for each in caplog.records if each.message == "unreadable revocations ignored"]
    assert len(skipped) == 1


async def test_a_store_without_redis_is_not_loaded(
    tmp_path: Path,
) -> None:
    server = RedisServer(tmp_path)
    async with running_store(server.url) as (store, sink):
        assert not store.loaded
        assert store.problem == f"{server.url}: Connection refused"
        try:
            server.start()
            await until(lambda: (store.loaded, store.problem) == (True, None), "the first reading")
            await store.put(revocation("a"))
            assert sink.token_ids == {"a"}
        finally:
            server.kill()


async def test_a_redis_that_does_not_answer_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with running_store(f"redis://127.0.0.1:{silent.getsockname()[1]}") as (store, _):
            assert not store.loaded
            assert "no answer within 1 s" in str(store.problem)
            with pytest.raises(StoreUnavailableError, match="no answer within"):
                await store.put(revocation("a"))


async def test_revocations_are_purged_when_their_end_is_certain(redis: RedisServer) -> None:
    ended, fresh = revocation("ended", seconds=-600), revocation("fresh")
    redis.command("HSET", HASH, ended.id, ended.to_json(), fresh.id, fresh.to_json())
    async with running_store(redis.url) as (store, sink):
        assert sink.token_ids == {"ended", "fresh"}  # this clock may be wrong
        await store._purge_ended()
        assert redis.stored() == {ended.id, fresh.id}
        store._confirmed_time._confirmed = time.time()
        await store._purge_ended()
        assert sink.token_ids == {"fresh"}
        assert redis.stored() == {fresh.id}


async def test_a_replica_whose_clock_is_wrong_purges_nothing(redis: RedisServer) -> None:
    in_ten_years = time.time() + 10 * 365 * 86_400
    async with running_store(redis.url) as (right, known):
        await right.put(revocation("a"))
        async with running_store(redis.url, clock=lambda: in_ten_years) as (wrong, sink):
            wrong._confirmed_time._confirmed = in_ten_years
            await wrong._purge_ended()
            assert redis.stored() == {revocation("a").id}
            assert known.token_ids == {"a"}
        async with running_store(redis.url) as (_, sink):
            assert sink.token_ids == {"a"}


async def test_many_revocations_are_read_in_chunks_and_removed_ones_forgotten(
    redis: RedisServer,
) -> None:
    async with running_store(redis.url) as (store, sink), running_store(redis.url) as (_, other):
        for number in range(1_000):
            await store.put(revocation(str(number)))
        await until(lambda: len(other.by_id) == 1_000, "all are sink")
        redis.command("HDEL", HASH, revocation("7").id, revocation("8").id)
        redis.command("HSET", HASH, revocation("new").id, revocation("new").to_json())
        redis.command("INCR", VERSION)
        expected = {*map(str, range(1_000)), "new"} - {"7", "8"}
        await until(
            lambda: sink.token_ids == other.token_ids == expected, "both stores to know the changes"
        )

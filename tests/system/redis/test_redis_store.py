from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import replica, revocation, until
from verifier.revocation.stores.base import StoreUnavailableError
from verifier.revocation.stores.redis_scripts import EPOCH, KEYS
from verifier.storage.worker_counters import WorkerCounters

HASH, VERSION = KEYS


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


async def test_a_change_reaches_every_replica(redis: RedisServer) -> None:
    async with replica(redis.url) as (first, known), replica(redis.url) as (_, other):
        await first.put(revocation("a"))
        assert known.ids == {"a"}
        await until(lambda: other.ids == {"a"}, "the other knows")
        assert await first.remove(revocation("a").name)
        assert known.ids == set()
        await until(lambda: other.ids == set(), "the other has forgotten")
        assert not await first.remove(revocation("a").name)
        assert redis.readings == 2  # each once; all else by messages alone


async def test_a_revocation_is_acknowledged_when_the_sibling_has_heard(redis: RedisServer) -> None:
    bell = WorkerCounters(2)
    async with replica(redis.url, bell) as (first, _), replica(redis.url, bell, 1) as (_, other):
        await first.put(revocation("a"))
        assert other.ids == {"a"}
        await first.put(revocation("b"))
        assert other.ids == {"a", "b"}
        assert len(set(bell.shown())) == 1


async def test_a_replica_that_starts_knows_all_there_is(redis: RedisServer) -> None:
    async with replica(redis.url) as (first, _):
        for number in range(1_000):
            await first.put(revocation(str(number)))
        async with replica(redis.url) as (second, known):
            assert second.loaded
            assert known.ids == set(map(str, range(1_000)))


async def test_a_change_that_nobody_announced_is_found(redis: RedisServer) -> None:
    async with replica(redis.url) as (_, known):
        missed = revocation("missed")
        redis.command("MULTI")
        redis.command("HSET", HASH, missed.name, missed.to_json())
        redis.command("INCR", VERSION)
        await until(lambda: known.ids == {"missed"}, "it is found")


async def test_messages_are_taken_again_after_their_connection_was_cut(redis: RedisServer) -> None:
    async with replica(redis.url) as (first, _), replica(redis.url) as (_, other):
        assert redis.command("CLIENT", "KILL", "TYPE", "pubsub") == "2"
        await first.put(revocation("a"))
        await until(lambda: other.ids == {"a"}, "the change that was made meanwhile is known")
        read = redis.readings
        await first.put(revocation("b"))
        await until(lambda: other.ids == {"a", "b"}, "the next one is, too")
        assert redis.readings == read


async def test_nothing_is_acknowledged_while_redis_is_away(redis: RedisServer) -> None:
    async with replica(redis.url) as (store, known):
        await store.put(revocation("a"))
        redis.kill()
        with pytest.raises(StoreUnavailableError, match=f"redis://127.0.0.1:{redis.port}/0: "):
            await store.put(revocation("b"))
        with pytest.raises(StoreUnavailableError):
            await store.remove(revocation("a").name)
        assert known.ids == {"a"}
        await until(lambda: store.problem is not None, "the trouble is noticed")
        redis.start()
        await until(lambda: store.problem is None, "and its end")
        assert known.ids == {"a"}


async def test_a_redis_that_lost_everything_is_told_by_all_who_know(redis: RedisServer) -> None:
    async with replica(redis.url) as (first, one), replica(redis.url) as (_, two):
        await first.put(revocation("a"))
        await until(lambda: two.ids == {"a"}, "both know")
        redis.kill()
        redis.start()
        await until(lambda: len(redis.stored()) == 1, "it is written back")
        assert one.ids == two.ids == {"a"}
        async with replica(redis.url) as (_, new):
            assert new.ids == {"a"}


async def test_revocations_that_were_evicted_are_missed(redis: RedisServer) -> None:
    async with replica(redis.url) as (store, known):
        await store.put(revocation("a"))
        redis.command("DEL", HASH)
        await until(lambda: len(redis.stored()) == 1, "it is written back")
        assert known.ids == {"a"}


async def test_a_redis_that_is_full_can_be_read_and_undone(redis: RedisServer) -> None:
    async with replica(redis.url) as (store, _):
        await store.put(revocation("a"))
        await store.put(revocation("b"))
        redis.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreUnavailableError, match="refused"):
            await store.put(revocation("c"))
        async with replica(redis.url) as (other, known):
            assert known.ids == {"a", "b"}
            assert await other.remove(revocation("b").name)
            assert redis.stored() == {revocation("a").name}
            redis.command("CONFIG", "SET", "maxmemory", "0")
            await store.put(revocation("c"))
            await until(lambda: known.ids == {"a", "c"}, "all know what has changed")


async def test_a_change_behind_a_loss_waits_until_all_is_written_back(redis: RedisServer) -> None:
    async with replica(redis.url) as (store, known):
        await store.put(revocation("a"))
        redis.command("FLUSHALL")
        await store.put(revocation("b"))
        assert len(redis.stored()) == 2
        assert known.ids == {"a", "b"}


async def test_data_that_went_back_are_completed_however_many_changes_follow(
    redis: RedisServer,
) -> None:
    async with replica(redis.url) as (first, known):
        await first.put(revocation("old"))
        before = redis.command("GET", VERSION)
        await first.put(revocation("new"))
        redis.command("HDEL", HASH, revocation("new").name)
        epoch = redis.command("HGET", HASH, EPOCH)
        redis.command("SET", VERSION, before)
        await until(lambda: len(redis.stored()) == 2, "it is written back")
        assert redis.command("HGET", HASH, EPOCH) != epoch
        assert known.ids == {"old", "new"}


async def test_what_others_have_written_there_is_passed_over(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.command("HSET", HASH, "x", "no JSON", "y", '{"jti": "a"}', "z", revocation("z").to_json())
    async with replica(redis.url) as (store, known):
        assert store.loaded
        assert known.ids == set()
        channel = "jitsi-verifier:0:revocations"
        for message in ("", "1 2 3 4", "no number", "\udc80"):
            redis.command("PUBLISH", channel, message.encode("utf-8", "replace").decode())
        await store.put(revocation("a"))
        assert known.ids == {"a"}
        assert store.problem is None
    skipped = [each for each in caplog.records if each.message == "revocations not read"]
    assert len(skipped) == 1


async def test_a_replica_that_starts_without_redis_knows_that_it_knows_nothing(
    tmp_path: Path,
) -> None:
    server = RedisServer(tmp_path)
    async with replica(server.url) as (store, known):
        assert not store.loaded
        assert store.problem == f"{server.url}: Connection refused"
        try:
            server.start()
            await until(lambda: (store.loaded, store.problem) == (True, None), "it has been read")
            await store.put(revocation("a"))
            assert known.ids == {"a"}
        finally:
            server.kill()


async def test_a_redis_that_says_nothing_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with replica(f"redis://127.0.0.1:{silent.getsockname()[1]}") as (store, _):
            assert not store.loaded
            assert "no answer within 1 s" in str(store.problem)
            with pytest.raises(StoreUnavailableError, match="no answer within"):
                await store.put(revocation("a"))


async def test_what_has_ended_is_deleted_by_whoever_reads(redis: RedisServer) -> None:
    ended, fresh = revocation("ended", lasts=-600), revocation("fresh")
    redis.command("HSET", HASH, ended.name, ended.to_json(), fresh.name, fresh.to_json())
    async with replica(redis.url) as (_, known):
        assert known.ids == {"fresh"}
        assert redis.stored() == {fresh.name}


async def test_many_are_read_in_pieces_and_what_is_gone_is_forgotten(redis: RedisServer) -> None:
    async with replica(redis.url) as (store, known), replica(redis.url) as (_, other):
        for number in range(1_000):
            await store.put(revocation(str(number)))
        await until(lambda: len(other.by_name) == 1_000, "all are known")
        redis.command("HDEL", HASH, revocation("7").name, revocation("8").name)
        redis.command("HSET", HASH, revocation("new").name, revocation("new").to_json())
        redis.command("INCR", VERSION)
        expected = {*map(str, range(1_000)), "new"} - {"7", "8"}
        await until(lambda: known.ids == other.ids == expected, "both know what has changed")

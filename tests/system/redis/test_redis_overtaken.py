"""Changes whose replies are late: another replica changes the same revocation meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.redis_relay import RedisRelay, running_relay
from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import RecordingSink, revocation, running_store, until
from verifier.revocation.model import Revocation
from verifier.revocation.stores.redis import RedisStore
from verifier.revocation.stores.redis_data import HASH, VERSION
from verifier.storage.errors import StoreUnavailableError

CHANGE = b"PUBLISH"  # only the script that changes a revocation contains this
A = revocation("a")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@asynccontextmanager
async def two_replicas(
    redis: RedisServer,
) -> AsyncIterator[tuple[RedisRelay, RedisStore, RecordingSink, RedisStore, RecordingSink]]:
    """Run a replica behind a relay, and one that reaches Redis directly."""
    async with (
        running_relay(redis) as relay,
        running_store(relay.url) as (slow, slow_sink),
        running_store(redis.url) as (quick, quick_sink),
    ):
        yield relay, slow, slow_sink, quick, quick_sink


async def test_an_overtaken_undoing_does_not_forget_the_revocation(redis: RedisServer) -> None:
    async with two_replicas(redis) as (relay, slow, sink, quick, other):
        await quick.put(A)
        await until(lambda: sink.token_ids == {"a"}, "the revocation in the slow replica")
        relay.hold_replies_to(CHANGE)
        undoing = asyncio.create_task(slow.remove(A.id))
        await until(lambda: other.token_ids == set(), "the undoing in the other replica")
        await quick.put(A)
        await until(lambda: sink.token_ids == {"a"}, "the revocation once more")
        relay.release()
        assert await undoing
        assert (sink.token_ids, other.token_ids) == ({"a"}, {"a"})
        assert redis.stored() == {A.id}


async def test_an_overtaken_revocation_stays_undone(redis: RedisServer) -> None:
    async with two_replicas(redis) as (relay, slow, sink, quick, other):
        relay.hold_replies_to(CHANGE)
        revoking = asyncio.create_task(slow.put(A))
        await until(lambda: other.token_ids == {"a"}, "the revocation in the other replica")
        assert await quick.remove(A.id)
        await quick.put(revocation("b"))
        await until(lambda: sink.token_ids == {"b"}, "both changes in the slow replica")
        relay.release()
        await revoking
        assert (sink.token_ids, other.token_ids) == ({"b"}, {"b"})


async def test_an_overtaken_replacement_does_not_bring_back_the_earlier_end(
    redis: RedisServer,
) -> None:
    async with two_replicas(redis) as (relay, slow, sink, quick, other):
        shorter, longer = revocation("a", seconds=60), revocation("a", seconds=7200)
        relay.hold_replies_to(CHANGE)
        revoking = asyncio.create_task(slow.put(shorter))
        await until(lambda: other.token_ids == {"a"}, "the first end in the other replica")
        await quick.put(longer)
        await until(lambda: sink.by_id.get(A.id) == longer, "the second end in the slow replica")
        relay.release()
        await revoking
        assert sink.by_id[A.id] == other.by_id[A.id] == longer


async def test_a_change_during_a_reading_is_not_undone_by_it(redis: RedisServer) -> None:
    """The slow replica reads all revocations, while both replicas change one of them."""
    async with two_replicas(redis) as (relay, slow, sink, quick, other):
        await quick.put(A)
        await until(lambda: sink.token_ids == {"a"}, "the revocation in the slow replica")
        relay.hold_replies_to(b"HSCAN")
        redis.command("INCR", VERSION)  # a change without a message, so that both read everything
        await until(lambda: redis.hscan_calls == 4, "the reading")
        undoing = asyncio.create_task(slow.remove(A.id))
        await until(lambda: other.token_ids == set(), "the undoing in the other replica")
        await quick.put(A)
        await quick.put(revocation("b"))
        relay.release()
        assert await undoing
        await until(lambda: sink.token_ids == {"a", "b"}, "both revocations in the slow replica")


class CountingSink(RecordingSink):
    """A sink that records each change that it receives."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[str | None] = []

    def put(self, revocations: Iterable[Revocation]) -> None:
        received = list(revocations)
        self.changes += [each.jti for each in received]
        super().put(received)

    def remove(self, ids: Iterable[str]) -> int:
        received = list(ids)
        self.changes += ["removed"] * len(received)
        return super().remove(received)


async def test_each_change_is_applied_once(redis: RedisServer) -> None:
    sink = CountingSink()
    async with running_store(redis.url, sink=sink) as (store, _):
        await store.put(A)
        await store.put(A)  # changes nothing
        await store.put(revocation("b"))
        await store.remove(A.id)
        await store.remove(A.id)
        assert sink.changes == ["a", "b", "removed"]


async def test_a_confirmed_change_that_redis_lost_is_not_acknowledged(redis: RedisServer) -> None:
    async with two_replicas(redis) as (relay, slow, sink, quick, other):
        await quick.put(revocation("b"))
        await until(lambda: sink.token_ids == {"b"}, "the revocation in the slow replica")
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        relay.hold_replies_to(CHANGE)
        revoking = asyncio.create_task(slow.put(A))
        await until(lambda: A.id in redis.stored(), "the change in Redis")
        redis.command("FLUSHALL")
        await until(lambda: redis.stored() >= {revocation("b").id}, "what was written back")
        relay.release()
        try:
            await revoking
        except StoreUnavailableError:
            return
        assert A.id in redis.stored()
        assert sink.token_ids == other.token_ids == {"a", "b"}


async def test_an_undoing_forgets_what_only_the_copies_have(redis: RedisServer) -> None:
    async with two_replicas(redis) as (_, slow, sink, quick, other):
        await quick.put(A)
        await until(lambda: sink.token_ids == {"a"}, "the revocation in the slow replica")
        redis.command("HDEL", HASH, A.id)
        assert await slow.remove(A.id)
        assert sink.token_ids == set()
        await until(lambda: other.token_ids == set(), "the undoing in the other replica")
        assert not await slow.remove(A.id)

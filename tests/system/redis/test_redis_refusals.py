"""A Redis that can be read and would store nothing: full memory, full disk, too few replicas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import get, running_verifier, wait_until
from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import revocation, running_store, until
from tests.support.revocations import ask_admin, revoke
from tests.support.supervised import token
from tests.support.tokens import SECRET
from verifier.storage.errors import StoreUnavailableError


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


class Refusal:
    """A state in which Redis stores nothing; ``code`` begins the error that it answers with."""

    code = "OOM"

    def begin(self, redis: RedisServer) -> None:
        """Bring Redis into this state."""
        redis.command("CONFIG", "SET", "maxmemory", "1")

    def end(self, redis: RedisServer) -> None:
        """Let Redis store again."""
        redis.command("CONFIG", "SET", "maxmemory", "0")


class FullDisk(Refusal):
    """The last snapshot could not be written, so that Redis stores nothing more."""

    code = "MISCONF"

    def begin(self, redis: RedisServer) -> None:
        (redis.directory / "dump.rdb" / "directory").mkdir(parents=True)
        redis.command("CONFIG", "SET", "save", "3600 1")
        redis.command("BGSAVE")
        wait_until(lambda: "last_bgsave_status:err" in redis.command("INFO"), "the error")

    def end(self, redis: RedisServer) -> None:
        redis.command("CONFIG", "SET", "save", "")


class NoReplicas(Refusal):
    """Redis is configured to store only what some replicas receive."""

    code = "NOREPLICAS"

    def begin(self, redis: RedisServer) -> None:
        redis.command("CONFIG", "SET", "min-replicas-to-write", "1")

    def end(self, redis: RedisServer) -> None:
        redis.command("CONFIG", "SET", "min-replicas-to-write", "0")


REFUSALS = [Refusal(), FullDisk(), NoReplicas()]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
async def test_a_refusal_is_reported_before_a_revocation_is_lost(
    redis: RedisServer, refusal: Refusal
) -> None:
    async with running_store(redis.url) as (store, sink):
        await store.put(revocation("a"))
        refusal.begin(redis)
        expected = f"{redis.url}: refused ({refusal.code})"
        await until(lambda: store.problem == expected, "the problem")
        with pytest.raises(StoreUnavailableError, match=rf"refused \({refusal.code}\)"):
            await store.put(revocation("b"))
        async with running_store(redis.url) as (started, read):
            assert (started.loaded, started.problem) == (True, expected)
            assert read.token_ids == {"a"}
        refusal.end(redis)
        await until(lambda: store.problem is None, "recovery")
        await store.put(revocation("b"))
        assert sink.token_ids == {"a", "b"}


async def test_looking_writes_nothing(tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with running_redis(tmp_path, *options) as redis:
        async with running_store(redis.url) as (store, _):
            await store.put(revocation("a"))
            before, calls = written(redis), looks(redis)
            await until(lambda: looks(redis) >= calls + 3, "three looks")
            assert written(redis) == before


def written(redis: RedisServer) -> list[str]:
    """Return what Redis has written and replicated so far."""
    names = ("rdb_changes_since_last_save", "aof_current_size", "master_repl_offset")
    return [line for line in redis.command("INFO").splitlines() if line.startswith(names)]


def looks(redis: RedisServer) -> int:
    """Return how many scripts Redis has run."""
    (line,) = [
        line
        for line in redis.command("INFO", "commandstats").splitlines()
        if line.startswith("cmdstat_eval:")
    ]
    return int(line.partition("calls=")[2].partition(",")[0])


def test_readiness_names_the_refusal_and_decisions_continue(
    tmp_path: Path, redis: RedisServer
) -> None:
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    environ["VERIFIER_REVOCATION_STORE"] = redis.url
    with running_verifier(tmp_path, None, wait=True, **environ) as verifier:
        revoke(verifier, jti="a")
        redis.command("CONFIG", "SET", "maxmemory", "1")
        wait_until(lambda: get(verifier.admin, "/readyz").status == 503, "the status")
        expected = f"{redis.url}: refused (OOM)"
        assert get(verifier.admin, "/readyz").json["revocations"] == expected
        assert get(verifier.admin, "/readyz?exclude=revocation-store").status == 200
        wait_until(lambda: verifier.metric("revocation_store_up") == 0, "the metric")
        assert ask_admin(verifier, "POST", {"jti": "b"}).status == 503
        assert verifier.ask("/standup", token(jti="a")).code == "revoked"
        assert verifier.ask("/standup", token(jti="b")).status == 200
        redis.command("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: get(verifier.admin, "/readyz").status == 200, "recovery")


async def test_a_read_only_replica_is_reported(tmp_path: Path, redis: RedisServer) -> None:
    (tmp_path / "replica").mkdir()
    with running_redis(tmp_path / "replica") as replica:
        replica.command("REPLICAOF", "127.0.0.1", str(redis.port))
        await until(lambda: "master_link_status:up" in replica.command("INFO"), "the replica")
        async with running_store(replica.url) as (store, _):
            await until(lambda: store.problem is not None, "the problem")
            assert store.problem == f"{replica.url}: refused (READONLY)"
            with pytest.raises(StoreUnavailableError, match=r"refused \(READONLY\)"):
                await store.put(revocation("a"))

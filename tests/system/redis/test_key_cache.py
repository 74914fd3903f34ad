"""Fetched public keys in Redis: a replica that starts while the identity provider is down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.key_server import Reply, is_key, pem, pem_of, running_key_server
from tests.support.processes import running_verifier, wait_until
from tests.support.raw_ask import ask_raw
from tests.support.redis_server import RedisServer, running_redis
from tests.support.tokens import sign
from verifier.keys.formats import parse_public_key
from verifier.keys.sources.key_cache_redis import KeyCacheRedis
from verifier.keys.sources.key_keeper import open_key_stores
from verifier.keys.sources.stored_keys import SourceId, StoredKey
from verifier.storage.redis_url import parse_redis_url

HASH = "jitsi-verifier:keys"
ASAP: SourceId = ("asap", "https://keys.test/")
SECRET = "admin-token-of-all-replicas"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


def record(key_id: str, answered: float, name: str | None, source: SourceId = ASAP) -> StoredKey:
    key = parse_public_key(pem(name), key_id, "asap") if name else None
    return StoredKey(source, key_id, answered, answered, time.time() + 60, withdrawn=False, key=key)


async def save(redis: RedisServer, *records: StoredKey, secret: str = SECRET) -> None:
    store = KeyCacheRedis(parse_redis_url(redis.url), secret)
    await store.save(records, time.time())
    await store.close()


async def load(redis: RedisServer, secret: str = SECRET) -> dict[str, StoredKey]:
    store = KeyCacheRedis(parse_redis_url(redis.url), secret)
    found = await store.load([ASAP])
    await store.close()
    return {each.key_id: each for each in found}


async def test_newest_answer_of_all_replicas_is_kept(redis: RedisServer) -> None:
    await asyncio.gather(
        save(redis, *(record(f"k{number}", 1.5, "old") for number in range(450))),
        save(redis, record("k0", 2.25, "new"), record("refused", 3, None)),
        save(redis, record("refused", 2, "old"), record("other", 1, "k", ("asap", "https://x/"))),
    )
    found = await load(redis)
    assert len(found) == 451
    assert is_key(found["k0"].key, "new")
    assert is_key(found["k1"].key, "old")
    assert found["refused"].key is None
    assert int(redis.command("TTL", HASH)) > 86_400


async def test_record_of_a_clock_that_was_ahead_is_replaced(redis: RedisServer) -> None:
    now = time.time()
    await save(redis, record("k", now + 9000, "old"), record("l", now + 5, "old"))
    await save(redis, record("k", now, "new"), record("l", now, "new"))
    found = await load(redis)
    assert is_key(found["k"].key, "new")
    assert is_key(found["l"].key, "old")


async def test_records_of_others_are_passed_over(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await save(redis, record("good", 1, "good"), record("moved", 1, "moved"))
    await save(redis, record("forged", 1, "forged"), secret="a guess")
    fields = redis.command("HKEYS", HASH).split()
    values = {field: redis.command("HGET", HASH, field) for field in fields}
    moved = next(field for field in fields if '"moved"' in values[field])
    redis.command("HSET", HASH, "elsewhere", values[moved], moved, "garbage", "x", "")
    assert list(await load(redis)) == ["good"]
    assert vars(caplog.records[0])["fields"]["count"] == 4
    assert SECRET not in json.dumps(values)


async def test_unavailable_redis_is_an_error_without_password(redis: RedisServer) -> None:
    url = f"redis://:secret@127.0.0.1:{redis.port}/0"
    redis.kill()
    store = KeyCacheRedis(parse_redis_url(url), SECRET)
    for call in (store.load([ASAP]), store.save([record("k", 1, "k")], 0)):
        with pytest.raises(OSError, match=r"^\[Errno 0\] redis://127.0.0.1") as error:
            await call
        assert "secret" not in str(error.value)
    await store.close()


@pytest.mark.parametrize(
    ("file", "store", "secret", "places"),
    [
        (None, "redis://h:1/0", SECRET, []),
        ("/k", "memory:", SECRET, ["/k"]),
        ("/k", "redis://h:1/0", None, ["/k"]),
        ("/k", "redis://u:p@h:1/0", SECRET, ["/k", "redis://h:1/0"]),
    ],
)
def test_redis_is_used_only_with_a_common_secret(
    file: str | None, store: str, secret: str | None, places: list[str]
) -> None:
    assert [each.place for each in open_key_stores(file, store, secret)] == places


async def test_new_replica_starts_while_the_key_server_is_down(
    redis: RedisServer, tmp_path: Path
) -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    claims = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
    token = sign(claims, {"kid": "k"}, private, "ES256")
    async with running_key_server() as server:
        server.publish("k", pem_of(private.public_key()))
        settings: dict[str, Any] = {
            "JWT_APP_ID": "app",
            "JWT_ASAP_KEYSERVER": server.url,
            "JWT_SIGN_TYPE": "ES256",
            "VERIFIER_REVOCATION_STORE": redis.url,
            "VERIFIER_ADMIN_TOKEN": SECRET,
        }
        first = {**settings, "VERIFIER_KEY_CACHE": str(tmp_path / "first.json")}
        with running_verifier(tmp_path, **first) as verifier:
            assert await ask_raw(verifier.port, token) == (200, "")
            await asyncio.to_thread(wait_until, lambda: redis.command("HLEN", HASH) == "1", "it")
        server.reply_to_all = Reply(status=500)
        second = {**settings, "VERIFIER_KEY_CACHE": str(tmp_path / "second.json")}
        with running_verifier(tmp_path, **second) as verifier:
            assert await ask_raw(verifier.port, token) == (200, "")
        redis.kill()
        third = {**second, "VERIFIER_KEY_CACHE": str(tmp_path / "first.json")}
        third["VERIFIER_REVOCATION_STORE"] = "memory:"
        with running_verifier(tmp_path, **third) as verifier:
            assert await ask_raw(verifier.port, token) == (200, "")

"""Ways to connect to Redis: user and database, unix socket, TLS; and what errors may say."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.redis_server import running_redis
from tests.support.redis_stores import revocation, running_store, until
from verifier.revocation.stores.redis_data import HASH
from verifier.single_use.model import EntryAttempt
from verifier.single_use.redis import RedisRedemptions
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis import RedisLink
from verifier.storage.redis_url import parse_redis_url

PASSWORD = "a-password-that-stays-hidden"
COMMANDS = "eval get set incr publish subscribe time ping select"
RIGHTS = " ".join(f"+{each}" for each in ("@hash", *COMMANDS.split()))
ACL = f"user verifier on >{PASSWORD} ~jitsi-verifier:* &jitsi-verifier:* -@all {RIGHTS}"


async def test_user_password_and_database_are_used_and_hidden(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = ("--user", "verifier", "--pass", PASSWORD, "--no-auth-warning", "-n", "5")
    (tmp_path / "users.acl").write_text(f"user default off\n{ACL}\n")
    with running_redis(tmp_path, "--aclfile", str(tmp_path / "users.acl"), client=client) as server:
        address = f"127.0.0.1:{server.port}/5"
        url = f"redis://verifier:{PASSWORD}@{address}"
        async with running_store(url) as (store, _), running_store(url) as (_, other):
            await store.put(revocation("a"))
            await until(lambda: other.token_ids == {"a"}, "the other store to receive the change")
            assert len(server.stored()) == 1
        redemptions = RedisRedemptions(parse_redis_url(url), time.time)
        assert await redemptions.redeem(EntryAttempt("a", 0, time.time() + 60))
        assert not await redemptions.redeem(EntryAttempt("a", 0, time.time() + 60))
        await redemptions.close()
        for wrong in (f"redis://verifier:{PASSWORD}-not@{address}", f"redis://{address}"):
            async with running_store(wrong) as (store, _):
                assert store.problem == f"redis://{address}: refused user and password"
                with pytest.raises(StoreUnavailableError) as caught:
                    await store.put(revocation("b"))
                assert PASSWORD not in str(caught.value)
    assert PASSWORD not in "".join(str(vars(each)) for each in caplog.records)


async def test_databases_of_one_redis_are_separate(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        base = f"redis://127.0.0.1:{server.port}"
        async with (
            running_store(f"{base}/1") as (one, _),
            running_store(f"{base}/2") as (two, other),
        ):
            await one.put(revocation("a"))
            await two.put(revocation("b"))
            assert other.token_ids == {"b"}
            assert server.hscan_calls == 2


async def test_redis_is_reached_by_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with running_redis(tmp_path, "--unixsocket", str(path)) as server:
        async with running_store(f"unix://{path}?db=3") as (store, _):
            assert store.problem is None
            await store.put(revocation("a"))
        assert len(server.stored("-n", "3")) == 1


def make_certificate(directory: Path) -> tuple[str, str]:
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate}"
    names = ["-days", "1", "-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return key, certificate


async def test_tls_requires_a_trusted_certificate(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    options = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")
    client = ("--tls", "--cacert", certificate)
    with running_redis(tmp_path, *options, client=client) as server:
        url = f"rediss://127.0.0.1:{server.port}/0"
        async with running_store(f"{url}?ssl_ca_certs={certificate}") as (store, _):
            assert store.problem is None
            await store.put(revocation("a"))
        async with running_store(url) as (store, _):
            assert not store.loaded
            assert store.problem is not None


async def test_errors_do_not_repeat_what_redis_said(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        link = RedisLink(parse_redis_url(server.url))
        with pytest.raises(StoreUnavailableError, match=r": refused$"):
            await link.execute("NO-SUCH-COMMAND", PASSWORD)
        server.command("SET", HASH, "of another type")
        async with running_store(server.url) as (store, sink):
            assert store.problem == f"{server.url}: refused (WRONGTYPE)"
            assert not store.loaded
            assert sink.token_ids == set()
        await link.close()


async def test_a_user_without_the_right_to_subscribe_is_reported(tmp_path: Path) -> None:
    rights = f"user verifier on >{PASSWORD} ~jitsi-verifier:* resetchannels +@all"
    client = ("--user", "verifier", "--pass", PASSWORD, "--no-auth-warning")
    (tmp_path / "users.acl").write_text(f"user default off\n{rights}\n")
    with running_redis(tmp_path, "--aclfile", str(tmp_path / "users.acl"), client=client) as server:
        address = f"127.0.0.1:{server.port}/0"
        async with running_store(f"redis://verifier:{PASSWORD}@{address}") as (store, _):
            assert store.problem == f"redis://{address}: refused (NoPermission)"

"""Revocations of three replicas that share a Redis, which is killed and started again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.processes import (
    DEADLINE,
    RunningVerifier,
    get,
    running_verifier,
    wait_until,
)
from tests.support.redis_relay import relay_in_thread
from tests.support.redis_server import RedisServer, running_redis
from tests.support.replicas import REPLICAS, Replicas, running_replicas
from tests.support.revocations import ask_admin, listed, revoke, undo
from tests.support.supervised import running_workers, token
from tests.support.tokens import SECRET

REFUSED = (403, "revoked")
UP = "revocation_store_up"


def test_a_revocation_reaches_all_workers_of_all_replicas(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis, running_replicas(tmp_path, redis.url) as replicas:
        for replica in range(REPLICAS):
            good = token(jti=f"j-{replica}")
            assert replicas.answers(good) == {(200, "")}
            assert replicas.revoke(replica, jti=f"j-{replica}", reason="lost") == 201
            workers = replicas.clients[2 * replica : 2 * replica + 2]
            assert {each.ask(good) for each in workers} == {REFUSED}  # at the next request
            replicas.wait_for(good, *REFUSED)
        undo(replicas.verifiers[1], jti="j-0")
        replicas.wait_for(token(jti="j-0"), 200, "")
        replicas.wait_for_metric("revocations", 2)
        replicas.wait_for_metric(UP, 1)


@pytest.mark.parametrize("options", [(), ("--appendonly", "yes", "--appendfsync", "always")])
def test_replicas_deny_revoked_tokens_without_redis_and_recover(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with (
        running_redis(tmp_path, *options) as redis,
        running_replicas(tmp_path, redis.url) as replicas,
    ):
        known, unknown, later = token(jti="known"), token(jti="unknown"), token(jti="later")
        assert replicas.revoke(0, jti="known") == 201
        replicas.wait_for(known, *REFUSED)
        redis.kill()
        assert [replicas.revoke(each, jti="unknown") for each in range(REPLICAS)] == [503] * 3
        refused = ask_admin(replicas.verifiers[1], "DELETE", {"jti": "known"})
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        replicas.wait_for_readiness(503)
        replicas.wait_for_metric(UP, 0)
        # The first error may be that the connection was closed.
        refused_connection = f"{redis.url}: Connection refused"
        wait_until(lambda: problem_of(replicas) == refused_connection, refused_connection)
        assert {get(each.port, "/healthz").status for each in replicas.verifiers} == {200}
        assert replicas.answers(known) == {REFUSED}
        assert replicas.answers(unknown) == {(200, "")}

        redis.start()
        replicas.wait_for_readiness(200)
        replicas.wait_for_metric(UP, 1)
        assert len(redis.stored()) == 1
        assert replicas.answers(known) == {REFUSED}
        assert replicas.revoke(2, jti="later") == 201
        replicas.wait_for(later, *REFUSED)
        assert [each["jti"] for each in listed(replicas.verifiers[0])] == ["known", "later"]


def test_a_change_whose_message_was_lost_is_found(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis, running_replicas(tmp_path, redis.url) as replicas:
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        assert replicas.revoke(0, jti="missed") == 201
        replicas.wait_for(token(jti="missed"), *REFUSED)
        replicas.wait_for_readiness(200)


def test_a_replica_without_redis_denies_all_until_it_has_read(
    tmp_path: Path,
) -> None:
    redis = RedisServer(tmp_path, ("--appendonly", "yes"))
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    environ["VERIFIER_REVOCATION_STORE"] = redis.url
    with running_verifier(tmp_path, None, wait=True, **environ) as verifier:
        answer = verifier.ask("/standup", token())
        assert (answer.status, answer.code) == (503, "store-unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert get(verifier.admin, "/readyz").status == 503
        assert ask_admin(verifier, "POST", {"jti": "a"}).status == 503
        try:
            redis.start()
            verifier.wait_for_log("revocation store available again")
            assert get(verifier.admin, "/readyz").status == 200
            revoke(verifier, jti="a")
            answer = verifier.ask("/standup", token(jti="a"))
            assert (answer.status, answer.code) == REFUSED
            with running_verifier(tmp_path, None, wait=True, **environ) as another:
                assert get(another.admin, "/readyz").status == 200
                assert another.ask("/standup", token(jti="a")).code == "revoked"
        finally:
            redis.kill()


def test_the_password_is_neither_logged_nor_answered(tmp_path: Path) -> None:
    password = "the-password-of-this-redis"
    client = ("--pass", password, "--no-auth-warning")
    with running_redis(tmp_path, "--requirepass", password, client=client) as redis:
        url = redis.url.replace("//", f"//:{password}@")
        environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_REVOCATION_STORE": url}
        with running_verifier(tmp_path, None, wait=True, **environ) as verifier:
            revoke(verifier, jti="a")
            redis.kill()
            texts = [ask_admin(verifier, "POST", {"jti": "b"}).body]
            verifier.wait_for_log("revocation store unavailable")
            texts += [get(verifier.admin, path).body for path in ("/readyz", "/metrics")]
            assert password not in "".join([verifier.log, *texts])
            assert f"127.0.0.1:{redis.port}" in verifier.log


def test_a_late_reply_does_not_make_a_replica_forget_a_revocation(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as redis,
        relay_in_thread(redis) as relay,
        running_workers(tmp_path, None, 2, VERIFIER_REVOCATION_STORE=relay.url) as slow,
        running_workers(tmp_path, None, 2, VERIFIER_REVOCATION_STORE=redis.url) as quick,
    ):
        good = token(jti="a")
        revoke(quick, jti="a")
        wait_until(lambda: statuses(slow, good) == {403}, "all workers to know it")
        relay.hold_replies_to(b"PUBLISH")
        # The status does not matter: the reply can be so late that it is a 503.
        undoing = threading.Thread(target=ask_admin, args=(slow, "DELETE", {"jti": "a"}))
        undoing.start()
        wait_until(lambda: statuses(quick, good) == {200}, "the undoing")
        revoke(quick, jti="a")
        wait_until(lambda: statuses(slow, good) == {403}, "all workers to know it again")
        relay.release()
        undoing.join(DEADLINE)
        assert statuses(slow, good) == statuses(quick, good) == {403}
        assert [each["jti"] for each in listed(slow)] == ["a"]
        assert get(slow.admin, "/readyz").status == 200


def problem_of(replicas: Replicas) -> str:
    """Return what the first replica says about its store."""
    return str(get(replicas.verifiers[0].admin, "/readyz").json["revocations"])


def statuses(verifier: RunningVerifier, good: str) -> set[int]:
    """Return the statuses of several requests, which reach all workers."""
    return {verifier.ask("/standup", good).status for _ in range(20)}

"""Single use with several processes, which share a store."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import RunningVerifier, get, post, running_verifier, wait_until
from tests.support.redis_server import running_redis
from tests.support.replicas import Replicas, running_replicas
from tests.support.supervised import Client, token
from tests.support.tokens import SECRET

ONCE = {"VERIFIER_SINGLE_USE": "jti", "VERIFIER_SINGLE_USE_WINDOW": "0"}
ALONE = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET} | ONCE
USED = (403, "token-already-used")
BROWSERS = 24


@contextmanager
def running_replicas_with(store: str, tmp_path: Path) -> Iterator[Replicas]:
    if store == "redis":
        with (
            running_redis(tmp_path) as redis,
            running_replicas(tmp_path, redis.url, **ONCE) as replicas,
        ):
            yield replicas
    elif store == "sqlite":
        url = f"sqlite://{tmp_path}/revocations"
        with running_replicas(tmp_path, url, 2, **ONCE) as replicas:
            yield replicas
    else:
        with running_replicas(tmp_path, "memory:", 1, **ONCE) as replicas:
            yield replicas


def enter_simultaneously(replicas: Replicas, good: str) -> Counter[tuple[int, str]]:
    """Send the token from 24 browsers at the same time; return the answers."""
    start = threading.Barrier(BROWSERS)

    def enter(browser: int) -> tuple[int, str]:
        client = Client(replicas.verifiers[browser % len(replicas.verifiers)])
        start.wait()
        try:
            return client.ask(good)
        finally:
            client.close()

    with ThreadPoolExecutor(BROWSERS) as pool:
        return Counter(pool.map(enter, range(BROWSERS)))


@pytest.mark.parametrize("store", ["redis", "sqlite", "memory"])
def test_exactly_one_of_many_simultaneous_browsers_is_let_in(store: str, tmp_path: Path) -> None:
    with running_replicas_with(store, tmp_path) as replicas:
        for number in range(5):
            good = token(jti=f"j-{number}")
            assert enter_simultaneously(replicas, good) == {(200, ""): 1, USED: BROWSERS - 1}
            assert replicas.answers(good) == {USED}


def test_a_used_token_stays_used_after_sigkill(tmp_path: Path) -> None:
    store = {"VERIFIER_REVOCATION_STORE": f"sqlite://{tmp_path}/revocations"}
    good = token(jti="a")
    with running_verifier(tmp_path, None, wait=True, **ALONE, **store) as verifier:
        assert verifier.ask("/standup", good).status == 200
        os.kill(verifier.process.pid, signal.SIGKILL)
        verifier.process.wait(20)
    with running_verifier(tmp_path, None, wait=True, **ALONE, **store) as verifier:
        assert verifier.ask("/standup", good).code == "token-already-used"


def test_without_redis_every_entry_is_denied(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as redis,
        running_verifier(
            tmp_path, None, wait=True, **ALONE, VERIFIER_REVOCATION_STORE=redis.url
        ) as verifier,
    ):
        used, unused = token(jti="used"), token(jti="unused")
        assert verifier.ask("/standup", used).status == 200
        redis.kill()
        for good in (used, unused):
            answer = verifier.ask("/standup", good)
            assert (answer.status, answer.code) == (503, "store-unavailable")
            assert answer.headers["Retry-After"] == "1"
        wait_until(lambda: verifier.metric("failed_redemptions_total") == 2, "the metric")
        verifier.wait_for_log('"redemption failed"')
        assert verifier.log.count('"redemption failed"') == 1
        assert f'"redemption failed", "error": "{redis.url}: ' in verifier.log
        redis.start()
        wait_until(lambda: get(verifier.admin, "/readyz").status == 200, "readiness")
        assert verifier.ask("/standup", used).code == "token-already-used"
        assert verifier.ask("/standup", unused).status == 200


def ask_as_prosody(verifier: RunningVerifier, good: str) -> str | None:
    body = f'{{"token": "{good}", "room_jid": "standup@conference"}}'.encode()
    code: str | None = post(verifier.port, "/v1/verify", body).json["code"]
    return code


def test_a_request_of_prosody_is_allowed_within_the_window(tmp_path: Path) -> None:
    given = ALONE | {"VERIFIER_SINGLE_USE_WINDOW": "600"}
    with running_verifier(tmp_path, None, wait=True, **given) as verifier:
        good = token(jti="a")
        assert verifier.ask("/http-bind?room=standup", good).status == 200
        assert ask_as_prosody(verifier, good) is None
    with running_verifier(tmp_path, None, wait=True, **ALONE) as verifier:
        assert ask_as_prosody(verifier, good) is None
        assert ask_as_prosody(verifier, good) == "token-already-used"


def test_tokens_without_jti_or_exp_are_denied(tmp_path: Path) -> None:
    with running_verifier(tmp_path, None, wait=True, **ALONE) as verifier:
        assert verifier.ask("/standup", token()).code == "policy-jti-missing"
        endless = token(jti="a", exp=None)
        assert verifier.ask("/standup", endless).status == 401

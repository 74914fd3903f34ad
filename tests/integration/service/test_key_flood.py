"""Floods of invented key ids beside real ones, and a key server that counts what it is asked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count, cycle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.key_server import KeyServer, asap_path, pem_of, running_key_server, until
from tests.support.processes import running_verifier
from tests.support.raw_ask import ask_raw
from tests.support.tokens import sign

RATE = 10  # key_lookup_rate
BUDGET = 60  # lookups that may find nothing after a key was found
FLOOD_RATE = 300
KEY = rsa.generate_private_key(65537, 2048)
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
GOOD = [f"good {number}" for number in range(200)]


def token(key_id: str) -> str:
    return sign(CLAIMS, {"kid": key_id}, KEY, "RS256")


TEMPLATE = token("k")


def forged(key_id: str) -> str:
    """Return a token with a signature that was not made for it."""
    return sign(CLAIMS, {"kid": key_id, "alg": "RS256"}) + TEMPLATE.rpartition(".")[2][43:]


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with running_key_server() as running:
        for key_id in GOOD:
            running.publish(key_id, pem_of(KEY.public_key()))
        yield running


def invented_requests(server: KeyServer) -> int:
    real = {asap_path(key_id) for key_id in GOOD}
    return sum(path not in real for path in server.paths())


class Client:
    """Asks the service with as many connections as needed, and counts the answers.

    Attributes:
        most_waiting: How many forged tokens may wait for their answers.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[object]] = set()
        self.most_waiting = float(FLOOD_RATE)
        self.answers: Counter[tuple[int, str]] = Counter()

    async def ask(self, text: str) -> tuple[int, str]:
        return await ask_raw(self._port, text)

    async def flood(self, key_ids: Iterator[str]) -> None:
        """Send forged tokens at ``FLOOD_RATE``, or more slowly if too many wait."""
        due = time.monotonic()
        while True:
            if len(self._tasks) < self.most_waiting:
                task = asyncio.create_task(self._count(forged(next(key_ids))))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            # What a busy machine has missed is sent later, but not all at once.
            due = max(due + 1 / FLOOD_RATE, time.monotonic() - 0.1)
            await asyncio.sleep(due - time.monotonic())

    async def stop(self) -> None:
        """Wait for no more answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _count(self, text: str) -> None:
        self.answers[await self.ask(text)] += 1


def fresh() -> Iterator[str]:
    return (f"invented {number}" for number in count())


def recycled() -> Iterator[str]:
    return cycle([f"invented {number}" for number in range(2000)])


@pytest.mark.parametrize("invented", [fresh, recycled])
async def test_real_keys_are_found_during_a_flood(
    server: KeyServer,
    tmp_path: Path,
    invented: Callable[[], Iterator[str]],
) -> None:
    """200 keys are named once each within a second of the start, beside 300 invented ids a second.

    A busy machine may have no time for 500 lookups a second. Then more key ids would wait than have
    a place, and it would be right to refuse some. So the flood waits for answers while the real
    keys are looked up, and ``key_fetch_timeout`` is long.
    """
    tokens = [token(key_id) for key_id in GOOD]
    with running_verifier(
        tmp_path,
        JWT_APP_ID="app",
        JWT_ASAP_KEYSERVER=server.url,
        VERIFIER_KEY_LOOKUP_RATE=str(RATE),
        VERIFIER_KEY_FETCH_TIMEOUT="30",
    ) as verifier:
        client = Client(verifier.port)

        async def ask_later(number: int, text: str) -> tuple[int, str]:
            await asyncio.sleep(number / len(tokens))
            return await client.ask(text)

        flood = asyncio.create_task(client.flood(invented()))
        try:
            started = time.monotonic()
            answers = await asyncio.gather(*map(ask_later, range(len(tokens)), tokens))
            found, asked_by_then = time.monotonic(), invented_requests(server)
            # From now on no real key is found, and the flood gets its own rate only.
            client.most_waiting = float("inf")
            await asyncio.sleep(3)
            asked = invented_requests(server) - asked_by_then
            seconds = time.monotonic() - found
            # More wait than have a place.
            await until(lambda: client.answers[503, "keys-unavailable"] > 0)
            await until(lambda: client.answers[401, "key-unknown"] >= asked_by_then)
        finally:
            flood.cancel()
            await client.stop()
    figures = (
        f"200 keys found in {found - started:.2f} s; invented ids asked for: {asked_by_then} by"
        f" then, {asked} in the {seconds:.1f} s after; answers to them: {dict(client.answers)}"
    )
    logging.getLogger(__name__).info(figures)  # shown by pytest -o log_cli=true --log-level=INFO
    assert Counter(answers) == {(200, ""): 200}, figures
    assert asked <= BUDGET + RATE * (seconds + 1), figures
    # The real keys did not wait for the end of the flood.
    assert asked_by_then <= 2 * FLOOD_RATE, figures
    # A key id that was not looked up is not called unknown.
    assert set(client.answers) == {(401, "key-unknown"), (503, "keys-unavailable")}

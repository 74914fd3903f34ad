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

from tests.support.key_server import KeyServer, asap_path, pem_of, running_key_server
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
    """Asks the service with as many connections as needed, and counts the answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[object]] = set()
        self.answers: Counter[tuple[int, str]] = Counter()

    async def ask(self, text: str) -> tuple[int, str]:
        return await ask_raw(self._port, text)

    async def send(self, key_ids: Iterator[str], rate: int) -> None:
        """Send ``rate`` forged tokens a second, whether earlier ones are answered or not."""
        started = time.monotonic()
        for sent in count(1):
            task = asyncio.create_task(self._count(forged(next(key_ids))))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(started + sent / rate - time.monotonic())

    async def finish(self) -> None:
        """Wait for all answers."""
        await asyncio.gather(*self._tasks)

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

    Each is answered within ``key_fetch_timeout``: after that time the service answers 503.
    """
    tokens = [token(key_id) for key_id in GOOD]
    rate = str(RATE)
    with running_verifier(
        tmp_path, JWT_APP_ID="app", JWT_ASAP_KEYSERVER=server.url, VERIFIER_KEY_LOOKUP_RATE=rate
    ) as verifier:
        client = Client(verifier.port)

        async def ask_later(number: int, text: str) -> tuple[int, str]:
            await asyncio.sleep(number / len(tokens))
            return await client.ask(text)

        flood = asyncio.create_task(client.send(invented(), FLOOD_RATE))
        try:
            started = time.monotonic()
            answers = await asyncio.gather(*map(ask_later, range(len(tokens)), tokens))
            found, asked_by_then = time.monotonic(), invented_requests(server)
            # From now on no real key is found, and the flood gets its own rate only.
            await asyncio.sleep(3)
            asked = invented_requests(server) - asked_by_then
            seconds = time.monotonic() - found
        finally:
            flood.cancel()
            await client.finish()
    figures = (
        f"200 keys found in {found - started:.2f} s; invented ids asked for: {asked_by_then} by"
        f" then, {asked} in the {seconds:.1f} s after; answers to them: {dict(client.answers)}"
    )
    logging.getLogger(__name__).info(figures)  # shown by pytest -o log_cli=true --log-level=INFO
    assert Counter(answers) == {(200, ""): 200}, f"{figures}\n{verifier.log}"
    assert asked <= BUDGET + RATE * (seconds + 1), figures
    # A key id that was not looked up is not called unknown.
    assert set(client.answers) == {(401, "key-unknown"), (503, "keys-unavailable")}
    assert client.answers[401, "key-unknown"] >= asked_by_then

"""Responses that wait: for a signature's turn in the fast lane, for a key in aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.heads import head
from tests.support.reader_pair import (
    TIMEOUT,
    Client,
    DecisionListener,
    Setup,
    parse_responses,
    reader_pair,
    until,
)
from tests.support.sidecar import CLAIMS, FakeKeys
from tests.support.tokens import sign
from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = VerificationKey(None, frozenset({"ES256"}), PRIVATE.public_key(), "file")
FETCHED = VerificationKey("new", frozenset({"ES256"}), PRIVATE.public_key(), "asap")
UNKNOWN_FIELD = ("X-Unknown", "a")

Scenario = Callable[[DecisionListener], Awaitable[object]]


class HeldThrottle(SignatureThrottle):
    """A throttle without a turn before ``release``, unless it is ``open``."""

    open = False

    def take(self) -> bool:
        return self.open

    def _begin_round(self) -> None:
        """Run nothing before ``release``."""

    def release(self) -> None:
        waiting, self._queue = self._queue, type(self._queue)()
        for take_turn in waiting:
            take_turn()

    @property
    def waiting(self) -> int:
        return len(self._queue)


@dataclass
class Keys(FakeKeys):
    """A static public key, and a key that is fetched once ``fetched`` is set."""

    static: list[VerificationKey] = field(default_factory=lambda: [PUBLIC])
    fetched: asyncio.Event = field(default_factory=asyncio.Event)
    lost: bool = False
    broken: str = ""

    def get(self, key_id: str) -> VerificationKey | None:
        if self.broken:
            raise ValueError(self.broken)
        at_hand = key_id == "at-hand" and not self.lost
        return FETCHED if at_hand else None

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        await self.fetched.wait()
        return FETCHED if key_id == "new" else Missing.UNKNOWN


STATIC = {"signature_algorithm": "ES256"}
SERVED = STATIC | {"key_server": True}
HELD = Setup(policy=STATIC, keys=Keys, throttle=HeldThrottle)


def signed(room: str = "standup", key_id: str | None = None) -> str:
    header = {} if key_id is None else {"kid": key_id}
    return sign(CLAIMS | {"room": room}, header, PRIVATE, "ES256")


def ask(room: str = "standup", key_id: str | None = None, *more: tuple[str, str]) -> bytes:
    return head("auth", *more, token=signed(room, key_id), room=room)


async def waiting(listener: DecisionListener, count: int = 1) -> HeldThrottle:
    """Wait until ``count`` signature checks wait for their turn."""
    throttle = listener.throttle
    assert isinstance(throttle, HeldThrottle)
    await until(lambda: throttle.waiting == count)
    return throttle


async def release(listener: DecisionListener, count: int = 1) -> None:
    (await waiting(listener, count)).release()


async def both(setup: Setup, scenario: Scenario) -> Any:
    """Check that a scenario ends equally with both listeners, and that the fast lane is used."""
    async with reader_pair(setup) as pair:
        results = [
            (
                await scenario(listener),
                listener.observer.counted,
                listener.lines.written,
                listener.observer.in_flight,
            )
            for listener in (pair.fast, pair.plain)
        ]
        assert results[0] == results[1]
        assert pair.fast.fast_count > 0
        return results[0][0]


def rooms(raw: bytes) -> list[str]:
    """Return the opened rooms in order; for other responses the status."""
    found = []
    for status, fields, _ in parse_responses(raw):
        named = [line[14:] for line in fields if line.startswith("X-Jitsi-Room: ")]
        found += named or [status.split(" ")[1]]
    return found


# Turns


async def test_simultaneous_requests_get_their_own_responses() -> None:
    names = [f"room{number}" for number in range(30)]

    async def scenario(listener: DecisionListener) -> object:
        clients = [await listener.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            await client.send(ask(name))
        for client in clients:
            await client.wait_idle()
        return [rooms(client.read()) for client in clients]

    assert await run_with_turns(scenario) == [[name] for name in names]


async def run_with_turns(scenario: Scenario) -> object:
    async with reader_pair(Setup(policy=STATIC, keys=Keys)) as pair:
        fast, plain = await scenario(pair.fast), await scenario(pair.plain)
        assert fast == plain
        assert pair.fast.fast_count > 0
        return fast


async def test_a_deferred_response_keeps_the_order() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask("a"))
        await client.send(ask("b") + ask("c", None, UNKNOWN_FIELD))
        await release(listener)
        for _ in range(2):
            await release(listener)
        await client.wait_idle()
        return rooms(client.read())

    assert await both(HELD, scenario) == ["a", "b", "c"]


async def test_reading_pauses_while_a_response_is_deferred() -> None:
    async with reader_pair(HELD) as pair:
        client = await pair.fast.connect()
        await client.send(ask())
        await client.send(ask() * 100)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not client.all_read
        (await waiting(pair.fast)).open = True
        await release(pair.fast)
        await until(lambda: client.all_read)


async def test_a_connection_with_a_deferred_response_is_not_idle() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask())
        await waiting(listener)
        client.connection.close_if_idle(asyncio.get_running_loop().time() + 3_600)
        await release(listener)
        await client.wait_idle()
        return rooms(client.read())

    assert await both(HELD, scenario) == ["standup"]


async def test_a_deferred_request_is_in_flight() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask())
        await waiting(listener)
        in_flight = listener.observer.in_flight
        await release(listener)
        await client.wait_idle()
        return in_flight, listener.observer.in_flight

    assert await both(HELD, scenario) == (1, 0)


async def test_a_half_closed_client_gets_its_deferred_response() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask())
        client.half_close()
        await release(listener)
        return rooms(await client.read_rest())

    assert await both(HELD, scenario) == ["standup"]


async def test_a_half_closed_client_gets_its_response_after_a_fetch() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client, keys = await listener.connect(), listener.keys
        assert isinstance(keys, Keys)
        await client.send(ask("standup", "at-hand"))
        client.half_close()
        await waiting(listener)
        keys.lost = True
        keys.fetched.set()
        await release(listener)
        return rooms(await client.read_rest())

    assert await both(Setup(policy=SERVED, keys=Keys, throttle=HeldThrottle), scenario) == ["401"]


async def test_a_client_that_leaves_does_not_affect_others() -> None:
    async def scenario(listener: DecisionListener) -> object:
        gone, other = await listener.connect(), await listener.connect()
        await gone.send(ask("a"))
        await other.send(ask("b"))
        gone.close()
        await release(listener, 2)
        await other.wait_idle()
        await until(gone.is_closed)
        return rooms(other.read()), listener.reports

    assert await both(HELD, scenario) == (["b"], [])


async def test_a_full_queue_is_answered_with_503() -> None:
    async def scenario(listener: DecisionListener) -> object:
        first, second = await listener.connect(), await listener.connect()
        await first.send(ask("a"))
        await second.send(ask("b"))
        await second.wait_idle()
        await release(listener)
        await first.wait_idle()
        return parse_responses(first.read()), parse_responses(second.read())

    responses = await both(
        Setup(policy=STATIC, keys=Keys, throttle=lambda: HeldThrottle(1)), scenario
    )
    assert "503" in responses[1][0][0]


async def test_a_deferred_response_announces_the_end_while_draining() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask())
        throttle = await waiting(listener)
        runner = web.ServerRunner(listener.server, shutdown_timeout=TIMEOUT)
        await runner.setup()
        stopping = asyncio.create_task(runner.cleanup())
        while not stopping.done():
            if listener.server._draining:
                throttle.release()
            await asyncio.sleep(0)
        return parse_responses(await client.read_rest())

    ((status, fields, _),) = await both(HELD, scenario)
    assert status == "HTTP/1.1 200 OK"
    assert "Connection: close" in fields


async def test_a_bug_in_a_deferred_response_is_a_500() -> None:
    async with reader_pair(Setup(policy=SERVED, keys=Keys, throttle=HeldThrottle)) as pair:
        listener, secret = pair.fast, signed("a", "at-hand")
        client, other = await listener.connect(), await listener.connect()
        await client.send(head("auth", token=secret, room="a"))
        keys = listener.keys
        assert isinstance(keys, Keys)
        keys.broken = secret
        await release(listener)
        ((status, _, body),) = parse_responses(await client.read_rest())
        assert status.endswith("500 Internal Server Error")
        # One report is the fast lane's, one is aiohttp's, which fails as well.
        assert len(listener.reports) == 2
        assert all(report.startswith("ValueError at ") for report in listener.reports)
        assert secret not in f"{body!r}{listener.reports}"
        keys.broken = ""
        await other.send(ask("b", "at-hand"))
        await release(listener)
        await other.wait_idle()
        assert rooms(other.read()) == ["b"]


async def test_a_bug_in_the_fast_lane_is_reported_and_answered() -> None:
    async with reader_pair(Setup(policy=SERVED, keys=Keys)) as pair:
        listener, secret = pair.fast, signed("a", "at-hand")
        client = await listener.connect()
        keys = listener.keys
        assert isinstance(keys, Keys)
        keys.broken = secret
        await client.send(head("auth", token=secret, room="a"))
        ((status, _, body),) = parse_responses(await client.read_rest())
        assert status.endswith("500 Internal Server Error")
        assert secret not in f"{body!r}{listener.reports}"


@pytest.mark.parametrize("cleared", [False, True])
async def test_a_response_deferred_across_a_reload_is_not_cached(*, cleared: bool) -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask())
        await waiting(listener)
        if cleared:
            listener.cache.clear()
        else:
            listener.install(Setup(keys=FakeKeys))
        await release(listener)
        await client.wait_idle()
        cached = len(listener.cache)
        if cleared:
            return rooms(client.read()), cached
        await client.send(ask())
        await client.wait_idle()
        return rooms(client.read()), cached

    assert await both(HELD, scenario) == ((["standup"] if cleared else ["standup", "401"]), 0)


# Keys

FETCH = Setup(policy=SERVED, keys=Keys)


async def fetch(listener: DecisionListener, client: Client) -> None:
    await until(lambda: client.connection._served)
    keys = listener.keys
    assert isinstance(keys, Keys)
    keys.fetched.set()


@dataclass
class NoKeys(FakeKeys):
    """No key, and no source from which one could be fetched."""

    static: list[VerificationKey] = field(default_factory=list)
    waits: bool = False


@pytest.mark.parametrize("answer", Missing)
async def test_a_key_without_a_source_is_denied_in_the_fast_lane(
    answer: Missing,
) -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        for room in ("a", "b"):
            await client.send(ask(room, "invented"))
            await client.wait_idle()
        return rooms(client.read()), len(listener.cache)

    def keys() -> NoKeys:
        return NoKeys(answer)

    status = "401" if answer is Missing.UNKNOWN else "503"
    assert await both(Setup(policy=SERVED, keys=keys), scenario) == ([status] * 2, 0)


async def test_the_fast_lane_is_used_again_after_a_fetch() -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask("a", "new"))
        assert listener.fast_count == 0
        await fetch(listener, client)
        await client.wait_idle()
        await client.send(ask("b", "at-hand"))
        await client.wait_idle()
        return rooms(client.read())

    assert await both(FETCH, scenario) == ["a", "b"]


async def test_the_fast_lane_is_used_again_after_a_split_head() -> None:
    async with reader_pair(FETCH) as pair:
        request = ask("a", "at-hand")
        for cut in (1, 20, len(request) - 2):
            before = pair.fast.fast_count
            observed = await pair.compare(request[:cut], request[cut:], request)
            assert len(observed.responses) == 2
            assert pair.fast.fast_count == before + 1


@pytest.mark.parametrize("two", [ask("a", "at-hand") * 2, ask("a", "at-hand") + b"GET"])
async def test_the_fast_lane_is_never_used_after_pipelining(
    two: bytes,
) -> None:
    async with reader_pair(FETCH) as pair:
        await pair.compare(two, ask("a", "at-hand"), ask("a", "at-hand"))
        assert pair.fast.fast_count == 0


async def test_a_request_behind_a_key_fetch_keeps_the_order() -> None:
    async def scenario(listener: DecisionListener) -> object:
        other = await listener.connect()
        await other.send(ask("c", "at-hand"))
        client = await listener.connect()
        await client.send(ask("a", "new"))
        await client.send(ask("b", "at-hand"))
        assert not client.read()
        await fetch(listener, client)
        await client.wait_idle()
        await client.send(ask("c", "at-hand"))
        await client.wait_idle()
        return rooms(client.read()), listener.fast_count <= 1

    assert await both(FETCH, scenario) == (["a", "b", "c"], True)


@pytest.mark.parametrize("ending", ["half-close", "leave", "drain", "reload"])
async def test_events_during_a_key_fetch_end_equally(ending: str) -> None:
    async def scenario(listener: DecisionListener) -> object:
        client = await listener.connect()
        await client.send(ask("b", "at-hand"))
        await client.wait_idle()
        await client.send(ask("a", "new"))
        keys = listener.keys
        assert isinstance(keys, Keys)
        await until(lambda: listener.observer.in_flight)
        if ending == "half-close":
            client.half_close()
        elif ending == "leave":
            client.close()
            await until(client.is_closed)
        elif ending == "drain":
            listener.server.drain()
        else:
            listener.install(Setup(keys=FakeKeys))
        keys.fetched.set()
        await until(lambda: not listener.observer.in_flight)
        if ending == "leave":
            return len(listener.cache)
        if ending == "reload":
            await client.wait_idle()
            return rooms(client.read()), len(listener.cache)
        return rooms(await client.read_rest())

    expected = {"leave": 2, "reload": (["b", "a"], 0)}
    assert await both(FETCH, scenario) == expected.get(ending, ["b", "a"])

"""Responses that wait: for a signature's turn, for a key, for the store of redemptions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.support.decision_listener import (
    Client,
    DecisionListener,
    HeldKeys,
    HeldRedemptions,
    HeldThrottle,
    Received,
    Setup,
    listening,
    signed,
)
from tests.support.heads import head, write_head
from tests.support.sidecar import FakeKeys
from tests.support.wire import until
from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing

STATIC = {"signature_algorithm": "ES256"}
SERVED = {**STATIC, "key_server": True}
TURN = Setup(policy=STATIC, keys=HeldKeys, throttle=HeldThrottle)
FETCH = Setup(policy=SERVED, keys=HeldKeys)
REDEMPTION = Setup(policy=STATIC, keys=HeldKeys, redemptions=HeldRedemptions)
RELOADED = Setup(keys=FakeKeys)  # denies every token that is signed with ES256
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
ALLOWED = "auth allowed"


def ask(room: str = "standup", key_id: str | None = None, **more: str) -> bytes:
    """Return a request for a room with a token for it."""
    return head("auth", token=signed(key_id, room=room, jti=f"j-{room}"), room=room, **more)


@dataclass(frozen=True)
class Wait:
    """One kind of wait: how a listener is set up, what waits, and how it goes on."""

    name: str
    setup: Setup
    release: Callable[[DecisionListener], None]
    key_id: str | None = None

    def request(self, room: str = "standup", **more: str) -> bytes:
        """Return a request whose response waits."""
        return ask(room, self.key_id, **more)


def give_turns(listener: DecisionListener) -> None:
    assert isinstance(listener.throttle, HeldThrottle)
    listener.throttle.release()


def give_key(listener: DecisionListener) -> None:
    assert isinstance(listener.keys, HeldKeys)
    listener.keys.fetched.set()


def give_redemptions(listener: DecisionListener) -> None:
    assert listener.redemptions
    listener.redemptions.answering.set()


WAITS = [
    Wait("turn", TURN, give_turns),
    Wait("key", FETCH, give_key, "new"),
    Wait("redemption", REDEMPTION, give_redemptions),
]
EACH_WAIT = pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.name)


def rooms(responses: list[Received]) -> list[str]:
    """Return the opened room of each response; for other responses the status."""
    return [each.headers.get("X-Jitsi-Room", str(each.status)) for each in responses]


async def receive(client: Client, count: int) -> list[Received]:
    return [await client.receive() for _ in range(count)]


def state(listener: DecisionListener) -> str:
    return listener.connection._state.name


async def release_all(listener: DecisionListener, wait: Wait, done: Callable[[], bool]) -> None:
    """Let everything go on that waits, until the condition is true."""

    def is_done() -> bool:
        wait.release(listener)
        return done()

    await until(is_done)


# Order


@EACH_WAIT
async def test_responses_behind_a_waiting_one_keep_their_order(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request("a"))
        await listener.waiting()
        client.send(wait.request("b") + HEALTHZ + ask("c", "none" if wait.key_id else None))
        await release_all(listener, wait, lambda: len(listener.observer.decisions) == 3)
        responses = await receive(client, 4)
        last = {"turn": "c", "key": "401", "redemption": "c"}[wait.name]
        assert rooms(responses) == ["a", "b", "200", last]
        assert responses[2].body == b"ok\n"


@EACH_WAIT
async def test_nothing_is_answered_before_a_waiting_response(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request("a") + HEALTHZ * 50)
        await listener.waiting()
        for _ in range(20):
            await asyncio.sleep(0)
        assert state(listener) == "ANSWERING"
        assert listener.connection._unread == HEALTHZ * 50
        wait.release(listener)
        assert rooms(await receive(client, 51)) == ["a"] + ["200"] * 50


@EACH_WAIT
async def test_reading_pauses_behind_a_waiting_request(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request())
        await listener.waiting()
        client.send(HEALTHZ * 8_000)
        await until(lambda: listener.connection._reading_paused)
        assert listener.server._held_bytes <= 2**18
        wait.release(listener)
        assert len(await receive(client, 8_001)) == 8_001
        assert not listener.connection._reading_paused
        assert not listener.server._held_bytes


@EACH_WAIT
async def test_a_head_in_pieces_behind_a_waiting_request_is_answered(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request() + HEALTHZ[:9])
        await listener.waiting()
        client.send(HEALTHZ[9:20])
        wait.release(listener)
        await client.receive()
        client.send(HEALTHZ[20:])
        assert (await client.receive()).body == b"ok\n"


async def test_simultaneous_requests_get_their_own_responses() -> None:
    async with listening(replace(TURN, throttle=SignatureThrottle)) as listener:
        names = [f"room{number}" for number in range(30)]
        clients = [await listener.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            client.send(ask(name))
        assert [rooms([await client.receive()]) for client in clients] == [[each] for each in names]


async def test_requests_that_wait_for_one_key_get_their_own_responses() -> None:
    async with listening(replace(FETCH, throttle=SignatureThrottle)) as listener:
        names = [f"room{number}" for number in range(30)]
        clients = [await listener.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            client.send(ask(name, "new"))
        await listener.waiting(30)
        give_key(listener)
        assert [rooms([await client.receive()]) for client in clients] == [[each] for each in names]
        assert listener.observer.decisions == [ALLOWED] * 30


@EACH_WAIT
async def test_a_waiting_body_keeps_the_order(wait: Wait) -> None:
    body = json.dumps(
        {
            "token": signed(wait.key_id, jti="j-1"),
            "room_jid": "standup@conference.meet.example.org",
        }
    ).encode()
    fields = [("Host", "a"), ("Content-Length", str(len(body)))]
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(write_head("POST", "/v1/verify", fields) + body + HEALTHZ)
        await listener.waiting()
        wait.release(listener)
        first, second = await receive(client, 2)
        assert json.loads(first.body)["allowed"]
        assert second.body == b"ok\n"


@pytest.mark.parametrize("wait", WAITS[:2], ids=lambda wait: wait.name)
async def test_a_waiting_head_request_gets_no_body(wait: Wait) -> None:
    token = signed(wait.key_id, room="other")
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(head("auth", token=token, method="HEAD") + HEALTHZ)
        await listener.waiting()
        await release_all(listener, wait, lambda: bool(listener.observer.decisions))
        denial = await client.receive(to_head=True)
        assert (denial.status, int(denial.headers["Content-Length"]) > 0) == (403, True)
        assert (await client.receive()).body == b"ok\n"


@EACH_WAIT
async def test_http_1_0_waits_too(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        await listener.waiting()
        wait.release(listener)
        (only,) = await client.receive_all()
        assert only.headers["Connection"] == "close"
        assert rooms([only]) == ["standup"]


# Clients that leave


@EACH_WAIT
async def test_a_half_closed_client_gets_its_waiting_response(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request() + HEALTHZ + HEALTHZ[:5])
        client.half_close()
        await listener.waiting()
        wait.release(listener)
        assert rooms(await client.receive_all()) == ["standup", "200"]
        await until(lambda: not listener.server.connections)


@EACH_WAIT
async def test_a_client_half_closed_while_it_waits_gets_its_response(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request())
        await listener.waiting()
        client.half_close()
        await until(lambda: listener.connection._peer_closed)
        wait.release(listener)
        assert rooms(await client.receive_all()) == ["standup"]


@EACH_WAIT
@pytest.mark.parametrize("leaves", ["closed", "aborted"])
async def test_a_decision_goes_on_without_its_client(wait: Wait, leaves: str) -> None:
    async with listening(wait.setup) as listener:
        gone, other = await listener.connect(), await listener.connect()
        request = wait.request("a")
        gone.send(request)
        await listener.waiting()
        if leaves == "closed":
            gone.close()
        else:
            listener.server.abort()
            await until(lambda: not listener.server.connections)
            other = await listener.connect()
        wait.release(listener)
        await until(lambda: not listener.observer.in_flight)
        await until(lambda: len(listener.server.connections) == 1)
        assert listener.observer.decisions == [ALLOWED]
        assert not listener.reports
        other.send(request)
        again = await other.receive()
        if wait.name == "redemption":
            assert listener.redemptions
            assert len(listener.redemptions.redeemed) == 2
            assert (again.headers["X-Jitsi-Denial"], len(listener.cache)) == (
                "token-already-used",
                0,
            )
        else:
            assert (rooms([again]), len(listener.cache)) == (["a"], 1)


@EACH_WAIT
async def test_a_waiting_connection_has_no_deadline(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request())
        await listener.waiting()
        assert listener.connection.deadline == float("inf")
        listener.connection.close_if_idle()
        wait.release(listener)
        assert rooms([await client.receive()]) == ["standup"]
        assert listener.connection.deadline < float("inf")


# Drain and reload


@EACH_WAIT
async def test_a_waiting_response_announces_the_end_while_draining(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request() + HEALTHZ)
        await listener.waiting()
        closing = asyncio.create_task(listener.server.close())
        await until(lambda: listener.server.draining)
        assert not closing.done()
        wait.release(listener)
        (only,) = await client.receive_all()
        assert (rooms([only]), only.headers["Connection"]) == (["standup"], "close")
        client.close()
        await closing


@EACH_WAIT
async def test_a_response_that_waits_across_a_reload_is_not_cached(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client, old = await listener.connect(), (listener.throttle, listener.keys)
        client.send(wait.request())
        await listener.waiting()
        redemptions = listener.redemptions
        listener.install(RELOADED)
        new = listener.throttle, listener.keys, listener.redemptions
        listener.throttle, listener.keys, listener.redemptions = *old, redemptions
        wait.release(listener)
        listener.throttle, listener.keys, listener.redemptions = new
        assert rooms([await client.receive()]) == ["standup"]
        assert not len(listener.cache)
        client.send(wait.request())
        assert (await client.receive()).status == 401


@EACH_WAIT
async def test_a_response_that_waits_while_the_cache_is_emptied_is_not_cached(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client = await listener.connect()
        client.send(wait.request())
        await listener.waiting()
        listener.cache.clear()
        wait.release(listener)
        assert rooms([await client.receive()]) == ["standup"]
        assert not len(listener.cache)


# Failures


@EACH_WAIT
async def test_a_bug_while_a_response_waits_is_a_500(wait: Wait) -> None:
    async with listening(wait.setup) as listener:
        client, other = await listener.connect(), await listener.connect()
        request = wait.request("a")
        client.send(request + HEALTHZ)
        await listener.waiting()
        listener.observer.broken = secret = request.decode().partition("jwt=")[2].partition("\r")[0]
        wait.release(listener)
        (failed,) = await client.receive_all()
        assert (failed.status, failed.headers["Connection"]) == (500, "close")
        (report,) = listener.reports
        assert report.startswith("ValueError at ")
        assert secret not in f"{failed}{report}"
        assert not listener.observer.in_flight
        other.send(HEALTHZ)
        assert (await other.receive()).status == 200


async def test_a_bug_of_a_key_source_is_a_500() -> None:
    async with listening(FETCH) as listener:
        client, keys = await listener.connect(), listener.keys
        assert isinstance(keys, HeldKeys)
        client.send(ask("a", "new"))
        await listener.waiting()
        keys.broken = "a secret"
        keys.fetched.set()
        (failed,) = await client.receive_all()
        assert failed.status == 500
        assert "a secret" not in f"{failed}{listener.reports}"
        assert len(listener.reports) == 1


async def test_a_full_queue_of_turns_is_a_503() -> None:
    async with listening(replace(TURN, throttle=lambda: HeldThrottle(1))) as listener:
        first, second = await listener.connect(), await listener.connect()
        first.send(ask("a"))
        await listener.waiting()
        second.send(ask("b") + HEALTHZ)
        overloaded, health = await receive(second, 2)
        assert (overloaded.status, overloaded.headers["Retry-After"]) == (503, "1")
        assert health.status == 200
        give_turns(listener)
        assert rooms([await first.receive()]) == ["a"]
        second.send(ask("b"))
        await listener.waiting()
        give_turns(listener)
        assert rooms([await second.receive()]) == ["b"]


async def test_a_full_queue_after_a_key_was_fetched_is_a_503() -> None:
    setup = replace(FETCH, throttle=lambda: HeldThrottle(1))
    async with listening(setup) as listener:
        clients = [await listener.connect() for _ in range(3)]
        for number, client in enumerate(clients):
            client.send(ask(f"room{number}", "new"))
        await listener.waiting(3)
        give_key(listener)
        await listener.waiting(1)
        give_turns(listener)
        found = sorted([each for client in clients for each in rooms([await client.receive()])])
        assert found[:2] == ["503", "503"]
        assert found[2].startswith("room")


# Keys


async def test_a_key_that_is_dropped_while_a_turn_waits_is_fetched() -> None:
    async with listening(replace(FETCH, throttle=HeldThrottle)) as listener:
        client, keys = await listener.connect(), listener.keys
        assert isinstance(keys, HeldKeys)
        client.send(ask("standup", "at-hand"))
        await listener.waiting()
        client.half_close()
        keys.lost = True
        give_turns(listener)
        await until(lambda: keys.fetches == 1)
        keys.fetched.set()
        assert rooms(await client.receive_all()) == ["401"]


@dataclass
class NoKeys(FakeKeys):
    """No key, and no source from which one could be fetched."""

    static: list[VerificationKey] = field(default_factory=list)
    waits: bool = False


@pytest.mark.parametrize("missing", Missing)
async def test_a_key_without_a_source_is_denied_without_a_wait(missing: Missing) -> None:
    async with listening(Setup(policy=SERVED, keys=lambda: NoKeys(missing))) as listener:
        responses = await listener.ask(ask("a", "invented"), ask("b", "invented"))
        assert rooms(responses) == ["401" if missing is Missing.UNKNOWN else "503"] * 2
        assert not len(listener.cache)


async def test_a_key_is_fetched_for_one_request_and_used_for_the_next() -> None:
    async with listening(FETCH) as listener:
        client = await listener.connect()
        client.send(ask("a", "new") + ask("b", "at-hand"))
        await listener.waiting()
        give_key(listener)
        assert rooms(await receive(client, 2)) == ["a", "b"]


# Redemptions


async def test_two_pipelined_uses_of_a_token_admit_the_first() -> None:
    async with listening(REDEMPTION) as listener:
        client = await listener.connect()
        client.send(ask() * 2)
        await listener.waiting()
        give_redemptions(listener)
        first, second = await receive(client, 2)
        assert rooms([first]) == ["standup"]
        assert second.headers["X-Jitsi-Denial"] == "token-already-used"


async def test_a_redemption_is_kept_if_its_worker_aborts_the_connection() -> None:
    async with listening(REDEMPTION) as listener:
        client = await listener.connect()
        client.send(ask())
        await listener.waiting()
        listener.connection.abort()
        give_redemptions(listener)
        await until(lambda: not listener.observer.in_flight)
        assert listener.redemptions
        assert len(listener.redemptions.redeemed) == 1
        assert listener.observer.decisions == [ALLOWED]

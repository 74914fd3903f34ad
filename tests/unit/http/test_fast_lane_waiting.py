"""Answers that have to wait: for a signature's turn in the lane, for a key behind aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.heads import head
from tests.support.sidecar import CLAIMS, FakeKeys
from tests.support.tokens import sign
from tests.support.twins import PATIENCE, Client, Setup, Twin, parsed, twins, until
from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = VerificationKey(None, frozenset({"ES256"}), PRIVATE.public_key(), "file")
FETCHED = VerificationKey("new", frozenset({"ES256"}), PRIVATE.public_key(), "asap")
UNKNOWN_FIELD = ("X-Unknown", "a")

Story = Callable[[Twin], Awaitable[object]]


class HeldTurns(SignatureThrottle):
    """Nobody's turn comes before ``release``, unless they are ``open``."""

    open = False

    def take(self) -> bool:
        return self.open

    def release(self) -> None:
        waiting, self._queue = self._queue, type(self._queue)()
        for go in waiting:
            go()

    @property
    def waiting(self) -> int:
        return len(self._queue)


@dataclass
class Keys(FakeKeys):
    """A public key at hand, and one that is only fetched when ``fetched`` is set."""

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
TURNS = Setup(policy=STATIC, keys=Keys, turns=HeldTurns)


def signed(room: str = "standup", key_id: str | None = None) -> str:
    header = {} if key_id is None else {"kid": key_id}
    return sign(CLAIMS | {"room": room}, header, PRIVATE, "ES256")


def ask(room: str = "standup", key_id: str | None = None, *more: tuple[str, str]) -> bytes:
    return head("auth", *more, token=signed(room, key_id), room=room)


async def waiting(twin: Twin, count: int = 1) -> HeldTurns:
    """Wait until so many wait for their turn."""
    turns = twin.turns
    assert isinstance(turns, HeldTurns)
    await until(lambda: turns.waiting == count)
    return turns


async def release(twin: Twin, count: int = 1) -> None:
    (await waiting(twin, count)).release()


async def both(setup: Setup, story: Story) -> Any:
    """Hold that a story ends alike with both, and that the lane has a part in it."""
    async with twins(setup) as pair:
        endings = [
            (await story(twin), twin.observer.counted, twin.lines.written, twin.observer.working)
            for twin in (pair.fast, pair.plain)
        ]
        assert endings[0] == endings[1]
        assert pair.fast.taken > 0
        return endings[0][0]


def rooms(raw: bytes) -> list[str]:
    """Name the rooms that were opened, in order; for others the status."""
    found = []
    for status, fields, _ in parsed(raw):
        named = [line[14:] for line in fields if line.startswith("X-Jitsi-Room: ")]
        found += named or [status.split(" ")[1]]
    return found


# Turns


async def test_a_flood_over_many_connections_gives_everyone_their_own_answer() -> None:
    names = [f"room{number}" for number in range(30)]

    async def story(twin: Twin) -> object:
        clients = [await twin.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            await client.send(ask(name))
        for client in clients:
            await client.settle()
        return [rooms(client.read()) for client in clients]

    assert await story_of_turns(story) == [[name] for name in names]


async def story_of_turns(story: Story) -> object:
    async with twins(Setup(policy=STATIC, keys=Keys)) as pair:
        fast, plain = await story(pair.fast), await story(pair.plain)
        assert fast == plain
        assert pair.fast.taken > 0
        return fast


async def test_what_comes_behind_a_waiting_question_is_answered_behind_it() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask("a"))
        await client.send(ask("b") + ask("c", None, UNKNOWN_FIELD))
        await release(twin)
        for _ in range(2):
            await release(twin)
        await client.settle()
        return rooms(client.read())

    assert await both(TURNS, story) == ["a", "b", "c"]


async def test_a_waiting_question_does_not_make_the_server_take_in_what_follows() -> None:
    async with twins(TURNS) as pair:
        client = await pair.fast.connect()
        await client.send(ask())
        await client.send(ask() * 100)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not client.all_read
        (await waiting(pair.fast)).open = True
        await release(pair.fast)
        await until(lambda: client.all_read)


async def test_a_connection_is_not_idle_while_its_question_waits() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask())
        await waiting(twin)
        client.held.close_if_idle(asyncio.get_running_loop().time() + 3_600)
        await release(twin)
        await client.settle()
        return rooms(client.read())

    assert await both(TURNS, story) == ["standup"]


async def test_who_waits_is_in_flight_until_there_is_an_answer() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask())
        await waiting(twin)
        working = twin.observer.working
        await release(twin)
        await client.settle()
        return working, twin.observer.working

    assert await both(TURNS, story) == (1, 0)


async def test_a_client_that_half_closes_while_it_waits_has_its_answer() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask())
        client.half_close()
        await release(twin)
        return rooms(await client.rest())

    assert await both(TURNS, story) == ["standup"]


async def test_a_client_that_half_closes_and_then_needs_a_key_has_its_answer() -> None:
    async def story(twin: Twin) -> object:
        client, keys = await twin.connect(), twin.keys
        assert isinstance(keys, Keys)
        await client.send(ask("standup", "at-hand"))
        client.half_close()
        await waiting(twin)
        keys.lost = True
        keys.fetched.set()
        await release(twin)
        return rooms(await client.rest())

    assert await both(Setup(policy=SERVED, keys=Keys, turns=HeldTurns), story) == ["401"]


async def test_a_client_that_leaves_while_it_waits_harms_nobody() -> None:
    async def story(twin: Twin) -> object:
        gone, other = await twin.connect(), await twin.connect()
        await gone.send(ask("a"))
        await other.send(ask("b"))
        gone.leave()
        await release(twin, 2)
        await other.settle()
        await until(gone.is_gone)
        return rooms(other.read()), twin.reports

    assert await both(TURNS, story) == (["b"], [])


async def test_who_would_wait_too_long_is_told_so() -> None:
    async def story(twin: Twin) -> object:
        first, second = await twin.connect(), await twin.connect()
        await first.send(ask("a"))
        await second.send(ask("b"))
        await second.settle()
        await release(twin)
        await first.settle()
        return parsed(first.read()), parsed(second.read())

    answers = await both(Setup(policy=STATIC, keys=Keys, turns=lambda: HeldTurns(1)), story)
    assert "503" in answers[1][0][0]


async def test_draining_lets_a_waiting_question_have_an_answer_that_says_goodbye() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask())
        turns = await waiting(twin)
        runner = web.ServerRunner(twin.server, shutdown_timeout=PATIENCE)
        await runner.setup()
        stopping = asyncio.create_task(runner.cleanup())
        while not stopping.done():
            if twin.server._draining:
                turns.release()
            await asyncio.sleep(0)
        return parsed(await client.rest())

    ((status, fields, _),) = await both(TURNS, story)
    assert status == "HTTP/1.1 200 OK"
    assert "Connection: close" in fields


async def test_a_bug_while_a_question_waits_is_an_error_answer_and_nobody_else_is_kept() -> None:
    async with twins(Setup(policy=SERVED, keys=Keys, turns=HeldTurns)) as pair:
        twin, secret = pair.fast, signed("a", "at-hand")
        client, other = await twin.connect(), await twin.connect()
        await client.send(head("auth", token=secret, room="a"))
        keys = twin.keys
        assert isinstance(keys, Keys)
        keys.broken = secret
        await release(twin)
        ((status, _, body),) = parsed(await client.rest())
        assert status.endswith("500 Internal Server Error")
        assert len(twin.reports) == 2  # the lane's and aiohttp's, which failed as well
        assert all(report.startswith("ValueError at ") for report in twin.reports)
        assert secret not in f"{body!r}{twin.reports}"
        keys.broken = ""
        await other.send(ask("b", "at-hand"))
        await release(twin)
        await other.settle()
        assert rooms(other.read()) == ["b"]


async def test_a_bug_in_the_lane_is_reported_and_aiohttp_answers() -> None:
    async with twins(Setup(policy=SERVED, keys=Keys)) as pair:
        twin, secret = pair.fast, signed("a", "at-hand")
        client = await twin.connect()
        keys = twin.keys
        assert isinstance(keys, Keys)
        keys.broken = secret
        await client.send(head("auth", token=secret, room="a"))
        ((status, _, body),) = parsed(await client.rest())
        assert status.endswith("500 Internal Server Error")
        assert secret not in f"{body!r}{twin.reports}"


@pytest.mark.parametrize("cleared", [False, True])
async def test_a_reload_while_a_question_waits_leaves_nothing_of_it_behind(
    *, cleared: bool
) -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask())
        await waiting(twin)
        if cleared:
            twin.cache.clear()
        else:
            twin.install(Setup(keys=FakeKeys))
        await release(twin)
        await client.settle()
        kept = len(twin.cache)
        if cleared:
            return rooms(client.read()), kept
        await client.send(ask())
        await client.settle()
        return rooms(client.read()), kept

    assert await both(TURNS, story) == ((["standup"] if cleared else ["standup", "401"]), 0)


# Keys

FETCH = Setup(policy=SERVED, keys=Keys)


async def fetch(twin: Twin, client: Client) -> None:
    await until(lambda: client.held._served)
    keys = twin.keys
    assert isinstance(keys, Keys)
    keys.fetched.set()


@dataclass
class NoKeys(FakeKeys):
    """No key at hand, and nobody who would be asked for one."""

    static: list[VerificationKey] = field(default_factory=list)
    waits: bool = False


@pytest.mark.parametrize("answer", Missing)
async def test_a_key_that_nobody_would_be_asked_for_is_refused_in_the_lane(
    answer: Missing,
) -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        for room in ("a", "b"):
            await client.send(ask(room, "invented"))
            await client.settle()
        return rooms(client.read()), len(twin.cache)

    def keys() -> NoKeys:
        return NoKeys(answer)

    status = "401" if answer is Missing.UNKNOWN else "503"
    assert await both(Setup(policy=SERVED, keys=keys), story) == ([status] * 2, 0)


async def test_the_lane_is_taken_again_behind_a_question_whose_key_was_fetched() -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask("a", "new"))
        assert twin.taken == 0
        await fetch(twin, client)
        await client.settle()
        await client.send(ask("b", "at-hand"))
        await client.settle()
        return rooms(client.read())

    assert await both(FETCH, story) == ["a", "b"]


async def test_the_lane_is_taken_again_behind_a_head_that_came_in_two_pieces() -> None:
    async with twins(FETCH) as pair:
        asked = ask("a", "at-hand")
        for place in (1, 20, len(asked) - 2):
            taken = pair.fast.taken
            seen = await pair.alike(asked[:place], asked[place:], asked)
            assert len(seen.answers) == 2
            assert pair.fast.taken == taken + 1


@pytest.mark.parametrize("two", [ask("a", "at-hand") * 2, ask("a", "at-hand") + b"GET"])
async def test_the_lane_is_never_taken_again_on_a_connection_whose_heads_came_mixed(
    two: bytes,
) -> None:
    async with twins(FETCH) as pair:
        await pair.alike(two, ask("a", "at-hand"), ask("a", "at-hand"))
        assert pair.fast.taken == 0


async def test_a_question_behind_one_that_waits_for_its_key_is_answered_behind_it() -> None:
    async def story(twin: Twin) -> object:
        other = await twin.connect()
        await other.send(ask("c", "at-hand"))
        client = await twin.connect()
        await client.send(ask("a", "new"))
        await client.send(ask("b", "at-hand"))
        assert not client.read()
        await fetch(twin, client)
        await client.settle()
        await client.send(ask("c", "at-hand"))
        await client.settle()
        return rooms(client.read()), twin.taken <= 1

    assert await both(FETCH, story) == (["a", "b", "c"], True)


@pytest.mark.parametrize("ending", ["half-close", "leave", "drain", "reload"])
async def test_whatever_happens_while_a_key_is_fetched_is_alike(ending: str) -> None:
    async def story(twin: Twin) -> object:
        client = await twin.connect()
        await client.send(ask("b", "at-hand"))
        await client.settle()
        await client.send(ask("a", "new"))
        keys = twin.keys
        assert isinstance(keys, Keys)
        await until(lambda: twin.observer.working)
        if ending == "half-close":
            client.half_close()
        elif ending == "leave":
            client.leave()
            await until(client.is_gone)
        elif ending == "drain":
            twin.server.drain()
        else:
            twin.install(Setup(keys=FakeKeys))
        keys.fetched.set()
        await until(lambda: not twin.observer.working)
        if ending == "leave":
            return len(twin.cache)
        if ending == "reload":
            await client.settle()
            return rooms(client.read()), len(twin.cache)
        return rooms(await client.rest())

    expected = {"leave": 2, "reload": (["b", "a"], 0)}
    assert await both(FETCH, story) == expected.get(ending, ["b", "a"])

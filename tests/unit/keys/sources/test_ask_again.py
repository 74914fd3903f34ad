"""Keys that did not make a signature: how often a source is asked for them again."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TypeAlias

import aiohttp
import pytest

from tests.support.key_server import (
    FakeTime,
    KeyServer,
    Recorder,
    Reply,
    asap_path,
    is_key,
    jwk,
    pem,
    source_context,
    until,
)
from verifier.keys.resolver import KeyResolver
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import Missing
from verifier.keys.sources.jwks import DocumentSource

AnySource: TypeAlias = AsapSource | DocumentSource


def publish(server: KeyServer, **names: str) -> None:
    """Publish these keys by key id, at the key server and in the document."""
    server.publish_document(*(jwk(key_id, name) for key_id, name in names.items()))
    for key_id, name in names.items():
        server.publish(key_id, pem(name))


@pytest.fixture(params=[AsapSource, DocumentSource])
async def source(
    request: pytest.FixtureRequest,
    server: KeyServer,
    session: aiohttp.ClientSession,
    time: FakeTime,
    recorder: Recorder,
) -> AnySource:
    url = server.url if request.param is AsapSource else f"{server.url}/jwks"
    publish(server, a="old a", b="old b")
    opened: AnySource = request.param(url, session, source_context(time, recorder))
    for key_id in "ab":
        await opened.fetch(key_id)
    server.requests.clear()
    return opened


async def test_new_key_is_returned(
    source: AnySource, server: KeyServer, recorder: Recorder
) -> None:
    publish(server, a="new a", b="old b")
    assert source.asks_again_in("a") == 0
    assert is_key(await source.ask_again("a"), "new a")
    assert is_key(source.get("a"), "new a")
    assert recorder.changes == [frozenset({"a"})]
    assert len(server.requests) == 1


async def test_source_is_asked_once_in_ten_seconds(
    source: AnySource, server: KeyServer, time: FakeTime
) -> None:
    for number in range(1, 4):
        assert is_key(await source.ask_again("a"), "old a")
        assert source.asks_again_in("a") == 10
        time.advance(9)
        assert source.asks_again_in("a") == 1
        time.advance(1)
        assert source.asks_again_in("a") == 0
        assert len(server.requests) == number


async def test_source_that_was_asked_meanwhile_is_not_asked_again(
    source: AnySource, server: KeyServer
) -> None:
    publish(server, a="new a", b="old b")
    waiting = [source.ask_again("a") for _ in range(3)]
    for answer in waiting:
        assert is_key(await answer, "new a")
    assert len(server.requests) == 1


async def test_key_ids_without_a_key_ask_nothing(source: AnySource, server: KeyServer) -> None:
    assert source.asks_again_in("invented") is None
    assert await KeyResolver([source], 5.0).ask_again("invented") is Missing.UNAVAILABLE
    assert server.requests == []


async def test_failing_source_is_not_asked(
    source: AnySource, server: KeyServer, time: FakeTime
) -> None:
    server.reply_to_all = Reply(status=500)
    assert is_key(await source.ask_again("a"), "old a")
    time.advance(0.5)
    for key_id in "ab":
        seconds = source.asks_again_in(key_id)
        assert seconds is not None
        assert seconds > 0
    assert len(server.requests) == 1


async def test_tokens_share_one_request_and_wait_in_bounded_number(
    source: AnySource, server: KeyServer
) -> None:
    server.reply_to_all = server.replies["/jwks" if source.name == "document" else asap_path("a")]
    server.reply_to_all.fault = "stall"
    waiting = [asyncio.create_task(source.ask_again("a")) for _ in range(300)]
    await until(lambda: server.in_progress == 1)
    assert source.asks_again_in("a") == 0
    server.release.set()
    answers = Counter(answer is Missing.UNAVAILABLE for answer in await asyncio.gather(*waiting))
    assert answers == {False: 256, True: 44}
    assert len(server.requests) == 1


async def test_withdrawn_key_is_still_used(source: AnySource, server: KeyServer) -> None:
    server.publish_document(jwk("b", "old b"))
    del server.replies[asap_path("a")]
    assert is_key(await source.ask_again("a"), "old a")
    assert is_key(source.get("a"), "old a")


async def test_key_server_is_asked_for_each_key_id_alone(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime
) -> None:
    publish(server, a="old a", b="old b")
    source = AsapSource(server.url, session, source_context(time))
    for key_id in "ab":
        await source.fetch(key_id)
    await source.ask_again("a")
    assert (source.asks_again_in("a"), source.asks_again_in("b")) == (10, 0)


async def test_fetch_that_began_before_is_followed_by_another(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime
) -> None:
    publish(server, a="old")
    source = DocumentSource(f"{server.url}/jwks", session, source_context(time))
    await source.fetch("a")
    old = server.replies["/jwks"]
    old.fault = "stall"
    time.advance(86_000)
    refresh = asyncio.create_task(source.tick())
    await until(lambda: server.in_progress == 1)
    publish(server, a="new")
    waiting = [asyncio.create_task(source.ask_again("a")) for _ in range(3)]
    await asyncio.sleep(0)
    server.release.set()
    assert all(is_key(key, "new") for key in await asyncio.gather(*waiting))
    await refresh
    assert len(server.requests) == 3


async def test_forgeries_neither_evict_nor_outrun_the_lookup_rate(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime
) -> None:
    names = {f"k{number}": f"k{number % 7}" for number in range(200)}
    publish(server, **names)
    old = AsapSource(server.url, session, source_context(time))
    await asyncio.gather(*map(old.fetch, names))
    source = AsapSource(server.url, session, source_context(time, key_fetch_timeout=2.0))
    source.copy_from(old)
    server.requests.clear()
    await asyncio.gather(*map(source.ask_again, names))
    assert 0 < len(server.requests) <= 60  # a busy machine has time for fewer
    assert len(source.status().keys) == 200

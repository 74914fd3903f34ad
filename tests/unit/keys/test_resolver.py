from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.key_server import (
    FakeTime,
    KeyServer,
    Recorder,
    Reply,
    asap_path,
    hurry,
    is_key,
    jwk,
    pem,
    source_context,
    until,
)
from verifier.keys.resolver import KeyResolver, open_resolver
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import KeySourceError, Missing
from verifier.keys.sources.jwks import DocumentSource
from verifier.keys.sources.settings import KeyLocations

Open = Callable[..., KeyResolver]


@pytest.fixture
async def open_keys(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    resolvers: list[KeyResolver] = []

    def open_keys(*, document: bool = False, asap: bool = False, **places: Any) -> KeyResolver:
        options = places.pop("options", {})
        locations = KeyLocations(
            document_url=f"{server.url}/jwks" if document else None,
            asap_url=server.url if asap else None,
            **places,
        )
        resolvers.append(
            open_resolver(locations, session, source_context(time, recorder, **options))
        )
        return resolvers[-1]

    yield open_keys
    for resolver in resolvers:
        await resolver.close()


async def test_files_come_first_then_the_document_then_the_key_server(
    server: KeyServer, open_keys: Open
) -> None:
    resolver = open_keys(secrets=["s"], public_keys={"a": pem("file")}, document=True, asap=True)
    assert [source.name for source in resolver.sources] == ["secret", "file", "document", "asap"]
    server.document(jwk("a", "document"), jwk("b", "document"))
    for key_id in "abc":
        server.publish(key_id, pem("asap"))
    await resolver.sources[1].start()
    assert is_key(resolver.get("a"), "file")
    assert server.requests == []
    assert is_key(await resolver.fetch("b"), "document")
    assert server.paths() == ["/jwks"]
    assert is_key(await resolver.fetch("c"), "asap")
    for key_id, name in (("a", "file"), ("b", "document"), ("c", "asap")):
        assert is_key(resolver.get(key_id), name)
    assert resolver.get("d") is None


async def test_the_static_keys_are_the_secrets_in_their_order(open_keys: Open) -> None:
    resolver = open_keys(secrets=["one", "two"], public_keys={"a": pem("a")})
    assert list(resolver.static) == []
    await resolver.start()
    assert [key.material for key in resolver.static] == [b"one", b"two"]
    assert resolver.unavailable is False
    assert open_keys(public_keys={"a": pem("a")}).static == ()


@pytest.mark.parametrize(
    ("document", "asap", "answer"),
    [
        (Reply(b'{"keys": []}'), Reply(status=404), Missing.UNKNOWN),
        (Reply(status=500), Reply(status=404), Missing.UNAVAILABLE),
        (Reply(b'{"keys": []}'), Reply(status=500), Missing.UNAVAILABLE),
        (Reply(status=500), Reply(status=500), Missing.UNAVAILABLE),
    ],
)
async def test_a_key_is_unknown_only_if_every_source_is_sure(
    server: KeyServer, open_keys: Open, document: Reply, asap: Reply, answer: Missing
) -> None:
    server.replies = {"/jwks": document, asap_path("k"): asap}
    assert await open_keys(document=True, asap=True).fetch("k") is answer


async def test_without_any_source_every_key_is_unknown(open_keys: Open) -> None:
    resolver = open_keys()
    assert await resolver.fetch("k") is Missing.UNKNOWN
    assert resolver.get("k") is None
    assert resolver.static == ()


async def test_a_stalled_document_does_not_keep_the_key_server_from_being_asked(
    server: KeyServer, open_keys: Open
) -> None:
    server.replies["/jwks"] = Reply(fault="stall")
    server.publish("k", pem("k"))
    resolver = open_keys(document=True, asap=True, options={"key_fetch_timeout": 2.0})
    async with asyncio.timeout(5):
        assert is_key(await resolver.fetch("k"), "k")


async def test_a_slow_document_is_waited_for_when_the_key_server_has_no_key(
    server: KeyServer, open_keys: Open
) -> None:
    server.document(jwk("k"))
    server.replies["/jwks"].fault = "stall"
    resolver = open_keys(document=True, asap=True, options={"key_fetch_timeout": 3.0})
    waiting = asyncio.create_task(resolver.fetch("k"))
    await until(lambda: asap_path("k") in server.paths())
    server.release.set()
    assert is_key(await waiting, "k")


async def test_two_stalled_sources_cost_a_request_one_time_out(
    server: KeyServer, open_keys: Open
) -> None:
    server.always = Reply(fault="stall")
    resolver = open_keys(document=True, asap=True, options={"key_fetch_timeout": 2.0})
    async with asyncio.timeout(3.9):
        assert await resolver.fetch("k") is Missing.UNAVAILABLE


async def test_a_ring_starts_everything_or_nothing(
    server: KeyServer, open_keys: Open, tmp_path: Path
) -> None:
    resolver = open_keys(document=True, public_keys={"a": tmp_path / "missing"})
    with pytest.raises(KeySourceError, match="No such file"):
        await resolver.start()
    assert server.requests == []


async def test_a_ring_keeps_its_sources_fresh_by_itself(server: KeyServer, open_keys: Open) -> None:
    server.document(jwk("a"))
    resolver = open_keys(document=True, asap=True, secrets=["s"])
    await resolver.start()
    await until(lambda: resolver.get("a") is not None)
    assert [(status.name, status.state, status.ready) for status in resolver.status()] == [
        ("secret", "ready", True),
        ("document", "ready", True),
        ("asap", "never-needed", True),
    ]


async def test_a_new_configuration_costs_no_key_while_the_servers_are_down(
    server: KeyServer, open_keys: Open, recorder: Recorder
) -> None:
    server.document(jwk("a"))
    server.publish("b", pem("b"))
    old = open_keys(document=True, asap=True, secrets=["old"])
    assert is_key(await old.fetch("a"), "a")
    assert is_key(await old.fetch("b"), "b")
    server.always = Reply(status=500)
    new = open_keys(secrets=["new"], document=True, asap=True)
    new.copy_from(old)
    await new.start()
    await old.close()
    assert is_key(new.get("a"), "a")
    assert is_key(new.get("b"), "b")
    assert [key.material for key in new.static] == [b"new"]
    assert recorder.changes == []


async def test_keys_of_another_url_are_not_handed_over(
    server: KeyServer, session: aiohttp.ClientSession, open_keys: Open
) -> None:
    server.publish("b", pem("b"))
    old = open_keys(asap=True)
    await old.fetch("b")
    new = open_resolver(KeyLocations(asap_url=f"{server.url}/other"), session, source_context())
    new.copy_from(old)
    assert new.get("b") is None


async def test_the_bridge_serves_keys_of_every_source_by_their_hash(
    server: KeyServer, open_keys: Open
) -> None:
    server.document(jwk("b"))
    server.publish("c", pem("c"))
    resolver = open_keys(public_keys={"a": pem("a")}, document=True, asap=True, secrets=["s"])
    await resolver.start()
    await resolver.fetch("c")
    for key_id in "abc":
        found = await resolver.find_by_digest(asap_path(key_id)[1:-4])
        assert found is not None
        assert is_key(found[0], key_id)
        assert found[1] > 0
    assert await resolver.find_by_digest(asap_path("d")[1:-4]) is None


async def test_good_tokens_never_wait_through_faults_and_rotation(
    server: KeyServer, time: FakeTime, open_keys: Open, recorder: Recorder
) -> None:
    """Ten keys, one of them new every round; every fault in turn between good answers."""
    faults = [
        Reply(status=500),
        Reply(status=404),
        Reply(b"<html>"),
        Reply(b"x" * 2_000_000),
        Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        Reply(b"-----BEGIN", fault="cut off"),
        Reply(fault="stall"),
        Reply(status=204),
        Reply(status=304),
    ]
    resolver = open_keys(document=True, asap=True)
    current = [str(number) for number in range(10)]

    async def use_all() -> None:
        for key_id in current:
            found = resolver.get(key_id) or await resolver.fetch(key_id)
            assert is_key(found, key_id), (key_id, time.passed)

    async def tick(fetch_timeout: float) -> None:
        for source in resolver.sources:
            assert isinstance(source, DocumentSource | AsapSource)
            hurry(source, fetch_timeout)
            await source.tick()

    for generation, fault in enumerate(faults * 2):
        current = [*current[1:], f"new {generation}"]
        server.always = None
        server.document(*[jwk(key_id) for key_id in current[::2]], Cache_Control="max-age=60")
        for key_id in current[1::2]:
            server.publish(key_id, pem(key_id), Cache_Control="max-age=60")
        for _ in range(12):
            time.advance(10)
            await tick(5)
            await use_all()
        server.always = fault
        for _ in range(12):
            time.advance(10)
            await tick(0.05 if fault.fault == "stall" else 5)
            assert all(is_key(resolver.get(key_id), key_id) for key_id in current)
    assert recorder.lookups["document", "stale"] + recorder.lookups["asap", "stale"] > 0


async def test_what_can_be_said_at_once_is_what_asking_would_give_and_asks_nobody(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_keys: Open
) -> None:
    resolver = open_keys(document=True, asap=True)
    server.document(jwk("of the document"))
    server.publish("of the server", pem("of the server"))
    assert is_key(await resolver.fetch("of the document"), "of the document")
    said = 0
    for step in range(400):
        before = len(server.requests)
        missing = resolver.answer_without_fetch(f"invented {step}")
        assert await resolver.fetch(f"invented, too {step}") is Missing.UNKNOWN
        if missing is not None:
            assert missing is Missing.UNKNOWN
            said += 1
        assert (len(server.requests) == before) is (missing is not None)
        if step % 40 == 0:
            time.advance(1)
    assert said > 100
    assert recorder.lookups["asap", "negative"] >= 2 * said
    assert resolver.answer_without_fetch("of the server") is Missing.UNKNOWN
    time.advance(2)
    # Whoever was turned away once comes before new inventions.
    assert resolver.answer_without_fetch("of the server") is None
    assert is_key(await resolver.fetch("of the server"), "of the server")


async def test_where_a_source_fails_it_is_said_at_once_that_nobody_knows(
    server: KeyServer, open_keys: Open
) -> None:
    resolver = open_keys(asap=True)
    server.always = Reply(status=500)
    assert resolver.answer_without_fetch("a") is None
    assert await resolver.fetch("a") is Missing.UNAVAILABLE
    assert resolver.answer_without_fetch("b") is Missing.UNAVAILABLE


async def test_without_a_url_a_key_id_that_is_not_configured_is_unknown_at_once(
    open_keys: Open,
) -> None:
    resolver = open_keys(public_keys={"k": pem("k")})
    await resolver.start()
    assert resolver.get("k") is not None
    assert resolver.answer_without_fetch("other") is Missing.UNKNOWN

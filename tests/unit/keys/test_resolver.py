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
    is_key,
    jwk,
    pem,
    set_fetch_timeout,
    source_context,
    until,
)
from verifier.keys.resolver import KeyResolver, KeyResolvers, open_resolver
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import KeySourceError, Missing
from verifier.keys.sources.jwks import DocumentSource
from verifier.keys.sources.settings import KeyLocations

Open = Callable[..., KeyResolver]


@pytest.fixture
async def open_with(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    resolvers: list[KeyResolver] = []

    def open_with(*, document: bool = False, asap: bool = False, **configured: Any) -> KeyResolver:
        options = configured.pop("options", {})
        locations = KeyLocations(
            document_url=f"{server.url}/jwks" if document else None,
            asap_url=server.url if asap else None,
            **configured,
        )
        resolvers.append(
            open_resolver(locations, session, source_context(time, recorder, **options))
        )
        return resolvers[-1]

    yield open_with
    for resolver in resolvers:
        await resolver.close()


async def test_files_then_document_then_key_server_are_asked(
    server: KeyServer, open_with: Open
) -> None:
    resolver = open_with(secrets=["s"], public_keys={"a": pem("file")}, document=True, asap=True)
    assert [source.name for source in resolver.sources] == ["secret", "file", "document", "asap"]
    server.publish_document(jwk("a", "document"), jwk("b", "document"))
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


async def test_static_keys_are_the_secrets_in_order(open_with: Open) -> None:
    resolver = open_with(secrets=["one", "two"], public_keys={"a": pem("a")})
    assert list(resolver.static) == []
    await resolver.start()
    assert [key.material for key in resolver.static] == [b"one", b"two"]
    assert resolver.unavailable is False
    assert open_with(public_keys={"a": pem("a")}).static == ()


@pytest.mark.parametrize(
    ("document", "asap", "answer"),
    [
        (Reply(b'{"keys": []}'), Reply(status=404), Missing.UNKNOWN),
        (Reply(status=500), Reply(status=404), Missing.UNAVAILABLE),
        (Reply(b'{"keys": []}'), Reply(status=500), Missing.UNAVAILABLE),
        (Reply(status=500), Reply(status=500), Missing.UNAVAILABLE),
    ],
)
async def test_key_is_unknown_only_if_every_source_says_so(
    server: KeyServer, open_with: Open, document: Reply, asap: Reply, answer: Missing
) -> None:
    server.replies = {"/jwks": document, asap_path("k"): asap}
    assert await open_with(document=True, asap=True).fetch("k") is answer


async def test_every_key_is_unknown_without_sources(open_with: Open) -> None:
    resolver = open_with()
    assert await resolver.fetch("k") is Missing.UNKNOWN
    assert resolver.get("k") is None
    assert resolver.static == ()


@pytest.mark.slow
async def test_stalled_document_does_not_block_the_key_server(
    server: KeyServer, open_with: Open
) -> None:
    server.replies["/jwks"] = Reply(fault="stall")
    server.publish("k", pem("k"))
    resolver = open_with(document=True, asap=True, options={"key_fetch_timeout": 4.0})
    async with asyncio.timeout(30):
        assert is_key(await resolver.fetch("k"), "k")


@pytest.mark.slow
async def test_slow_document_may_answer_after_the_key_server(
    server: KeyServer, open_with: Open
) -> None:
    server.publish_document(jwk("k"))
    server.replies["/jwks"].fault = "stall"
    resolver = open_with(document=True, asap=True, options={"key_fetch_timeout": 3.0})
    waiting = asyncio.create_task(resolver.fetch("k"))
    await until(lambda: asap_path("k") in server.paths())
    server.release.set()
    assert is_key(await waiting, "k")


@pytest.mark.slow
async def test_two_stalled_sources_cost_one_timeout(server: KeyServer, open_with: Open) -> None:
    server.reply_to_all = Reply(fault="stall")
    resolver = open_with(document=True, asap=True, options={"key_fetch_timeout": 4.0})
    async with asyncio.timeout(7.8):
        assert await resolver.fetch("k") is Missing.UNAVAILABLE


async def test_resolver_starts_all_sources_or_none(
    server: KeyServer, open_with: Open, tmp_path: Path
) -> None:
    resolver = open_with(document=True, public_keys={"a": tmp_path / "missing"})
    with pytest.raises(KeySourceError, match="No such file"):
        await resolver.start()
    assert server.requests == []


async def test_started_resolver_keeps_its_sources_fresh(server: KeyServer, open_with: Open) -> None:
    server.publish_document(jwk("a"))
    resolver = open_with(document=True, asap=True, secrets=["s"])
    await resolver.start()
    await until(lambda: resolver.get("a") is not None)
    assert [(status.name, status.state, status.ready) for status in resolver.status()] == [
        ("secret", "ready", True),
        ("document", "ready", True),
        ("asap", "never-needed", True),
    ]


async def test_new_configuration_keeps_keys_while_servers_fail(
    server: KeyServer, open_with: Open, recorder: Recorder
) -> None:
    server.publish_document(jwk("a"))
    server.publish("b", pem("b"))
    old = open_with(document=True, asap=True, secrets=["old"])
    assert is_key(await old.fetch("a"), "a")
    assert is_key(await old.fetch("b"), "b")
    server.reply_to_all = Reply(status=500)
    new = open_with(secrets=["new"], document=True, asap=True)
    new.copy_from(old)
    await new.start()
    await old.close()
    assert is_key(new.get("a"), "a")
    assert is_key(new.get("b"), "b")
    assert [key.material for key in new.static] == [b"new"]
    assert recorder.changes == []


async def test_keys_of_another_url_are_not_copied(
    server: KeyServer, session: aiohttp.ClientSession, open_with: Open
) -> None:
    server.publish("b", pem("b"))
    old = open_with(asap=True)
    await old.fetch("b")
    new = open_resolver(KeyLocations(asap_url=f"{server.url}/other"), session, source_context())
    new.copy_from(old)
    assert new.get("b") is None


def test_copying_reads_no_unrelated_resolver(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload copies in the event loop, which a thousand hosts must not block for seconds."""
    locations = [KeyLocations(secrets=[f"secret-{number}"]) for number in range(3)]
    old, new = (KeyResolvers(locations, session, source_context()) for _ in range(2))
    monkeypatch.setattr(KeyResolver, "status", lambda _: pytest.fail("an unrelated state was read"))
    new.copy_from(old)


async def test_keys_of_every_source_are_found_by_their_hash(
    server: KeyServer, open_with: Open
) -> None:
    server.publish_document(jwk("b"))
    server.publish("c", pem("c"))
    resolver = open_with(public_keys={"a": pem("a")}, document=True, asap=True, secrets=["s"])
    await resolver.start()
    await resolver.fetch("c")
    for key_id in "abc":
        found = await resolver.find_by_digest(asap_path(key_id)[1:-4])
        assert found is not None
        assert is_key(found[0], key_id)
        assert found[1] > 0
    assert await resolver.find_by_digest(asap_path("d")[1:-4]) is None


@pytest.mark.slow
async def test_cached_keys_answer_during_faults_and_rotation(
    server: KeyServer, time: FakeTime, open_with: Open, recorder: Recorder
) -> None:
    """Ten keys, a new one in every round; a different fault after each good period."""
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
    resolver = open_with(document=True, asap=True)
    current = [str(number) for number in range(10)]

    async def use_all() -> None:
        for key_id in current:
            found = resolver.get(key_id) or await resolver.fetch(key_id)
            assert is_key(found, key_id), (key_id, time.elapsed)

    async def tick(fetch_timeout: float) -> None:
        for source in resolver.sources:
            assert isinstance(source, DocumentSource | AsapSource)
            set_fetch_timeout(source, fetch_timeout)
            await source.tick()

    for generation, fault in enumerate(faults * 2):
        current = [*current[1:], f"new {generation}"]
        server.reply_to_all = None
        server.publish_document(
            *[jwk(key_id) for key_id in current[::2]], Cache_Control="max-age=60"
        )
        for key_id in current[1::2]:
            server.publish(key_id, pem(key_id), Cache_Control="max-age=60")
        for _ in range(12):
            time.advance(10)
            await tick(5)
            await use_all()
        server.reply_to_all = fault
        for _ in range(12):
            time.advance(10)
            await tick(0.05 if fault.fault == "stall" else 5)
            assert all(is_key(resolver.get(key_id), key_id) for key_id in current)
    assert recorder.lookups["document", "stale"] + recorder.lookups["asap", "stale"] > 0


async def test_answer_without_fetch_equals_fetch_and_sends_nothing(
    server: KeyServer, recorder: Recorder, open_with: Open
) -> None:
    resolver = open_with(document=True, asap=True)
    server.publish_document(jwk("of the document"))
    server.publish("of the server", pem("of the server"))
    assert is_key(await resolver.fetch("of the document"), "of the document")
    for step in range(40):
        assert await resolver.fetch(f"invented {step}") is Missing.UNKNOWN
        before = len(server.requests)
        # Both sources have answered for this key id.
        assert resolver.answer_without_fetch(f"invented {step}") is Missing.UNKNOWN
        assert await resolver.fetch(f"invented {step}") is Missing.UNKNOWN
        assert len(server.requests) == before
    assert recorder.lookups["asap", "negative"] == 2 * 40
    assert resolver.answer_without_fetch("of the server") is None
    assert is_key(await resolver.fetch("of the server"), "of the server")


async def test_failing_source_answers_unavailable_at_once(
    server: KeyServer, open_with: Open
) -> None:
    resolver = open_with(asap=True)
    server.reply_to_all = Reply(status=500)
    assert resolver.answer_without_fetch("a") is None
    assert await resolver.fetch("a") is Missing.UNAVAILABLE
    assert resolver.answer_without_fetch("b") is Missing.UNAVAILABLE


async def test_unconfigured_key_id_is_unknown_at_once(
    open_with: Open,
) -> None:
    resolver = open_with(public_keys={"k": pem("k")})
    await resolver.start()
    assert resolver.get("k") is not None
    assert resolver.answer_without_fetch("other") is Missing.UNKNOWN

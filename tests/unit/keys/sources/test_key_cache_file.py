from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.support.key_server import (
    START,
    FakeTime,
    KeyServer,
    Recorder,
    Reply,
    asap_path,
    certificate,
    is_key,
    jwk,
    pem,
    source_context,
)
from verifier.keys.formats import parse_document, parse_public_key
from verifier.keys.resolver import KeyResolvers
from verifier.keys.sources.key_cache_file import KeyCacheFile
from verifier.keys.sources.settings import KeyLocations
from verifier.keys.sources.stored_keys import (
    SourceId,
    StoredKey,
    merge,
    read,
    source_url,
    write,
)

ASAP: SourceId = ("asap", "https://keys.test/")


def record(key_id: str, answered: float = 0.0, name: str | None = "k", **changes: Any) -> StoredKey:
    key = parse_public_key(pem(name), key_id, "asap") if name else None
    usual = StoredKey(ASAP, key_id, answered, answered, answered + 60, withdrawn=False, key=key)
    return replace(usual, **changes)


def test_records_are_read_as_written() -> None:
    first = jwk("a", "a", alg="ES256")
    document = parse_document(
        json.dumps({"keys": [first, {**first, "y": first["y"] + "="}]}).encode(), "asap"
    )
    strict = parse_public_key(certificate("k", START, START + 1), "b", "asap")
    records = [
        record("a", 1.5, key=document.keys["a"]),
        record("b", 2, key=strict, withdrawn=True),
        record("\ud800 key", 3),
        record("refused", 4, None),
    ]
    assert read(write(records)) == records


def test_alternative_keys_are_kept() -> None:
    key = parse_public_key(pem("one"), "k", "asap")
    both = replace(key, alternatives=(parse_public_key(pem("two"), "k", "asap"),))
    assert read(write([record("k", key=both)]))[0].key == both


def test_newest_answer_about_a_key_wins() -> None:
    old, new = record("k", 1, "old"), record("k", 2, "new")
    refused, other = record("k", 3, None), record("k", 0, source=("asap", "https://other.test/"))
    assert merge([old, new], 3) == merge([new, old], 3) == [new]
    assert merge([old, refused, new, other], 3) == [refused, other]


def test_record_of_a_clock_that_was_ahead_does_not_win() -> None:
    ahead, now = record("k", 9000, "old"), record("k", 5, "new")
    assert merge([ahead, now], 6) == merge([now, ahead], 6) == [now]
    assert merge([ahead], 6) == [ahead]
    assert merge([ahead, now], 9000) == [ahead]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 2, "keys": []}',
        b'{"version": 1}',
        b'{"version": 1, "keys": [1]}',
        b'{"version": 1, "keys": [{}]}',
        b"[" * 100_000,
        b"\xff",
        write([record("k")]).replace(b'"kid": "k"', b'"kid": 1'),
        write([record("k")]).replace(b'"asap"', b'"other"'),
        write([record("k")]).replace(b"ES256", b"HS256"),
        write([record("k")]).replace(b"ES256", b"none"),
        write([record("k")]).replace(b"PUBLIC", b"PRIVATE"),
        write([record("k")]).replace(b'"until": 60.0', b'"until": 1' + b"0" * 400),
        write([record("k")])[:-20],
        write([record("k")]).replace(b'"until": 60.0', b'"until": NaN'),
        write([record("k")]).replace(b'"confirmed": 0.0', b'"confirmed": -Infinity'),
    ],
)
def test_broken_text_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        read(body)
    assert "BEGIN" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://me:pw@keys.test/a", "https://keys.test/a"),
        ("https://keys.test/a#f", "https://keys.test/a"),
        ("https://keys.test/a?t=1", r"https://keys.test/a?sha256="),
    ],
)
def test_url_is_stored_without_secrets(url: str, stored: str) -> None:
    assert source_url(URL(url)).startswith(stored)
    assert source_url(URL(url)) != source_url(URL("https://keys.test/a?t=2"))


def save_many(path: Path, worker: int) -> None:
    for number in range(20):
        KeyCacheFile(path).write([record(f"{worker} {number}", 100.0 + number)], 0)


def test_workers_lose_no_key_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=save_many, args=(path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(KeyCacheFile(path).read()) == 60
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["keys", "keys.lock"]


def test_records_whose_time_is_over_are_left_out(tmp_path: Path) -> None:
    file = KeyCacheFile(tmp_path / "keys")
    file.write([record("a", 0), record("b", 100)], 50)
    assert len(file.read()) == 2
    file.write([record("b", 100)], 61)
    assert [each.key_id for each in file.read()] == ["b"]


def test_record_of_a_clock_that_was_ahead_is_replaced(tmp_path: Path) -> None:
    file = KeyCacheFile(tmp_path / "keys")
    file.write([record("k", 9000, "old")], 9000)
    file.write([record("k", 5, None)], 6)
    assert [each.key for each in file.read()] == [None]


def test_keys_of_a_source_that_another_process_knows_are_kept(tmp_path: Path) -> None:
    file = KeyCacheFile(tmp_path / "keys")
    document: SourceId = ("document", "https://sso.test/")
    file.write([record("a")], 0)
    file.write([record("d", source=document)], 0)
    assert {each.key_id for each in file.read()} == {"a", "d"}


# Sources with a file


Resolvers = Any


@pytest.fixture
def open_with(
    server: KeyServer,
    session: aiohttp.ClientSession,
    time: FakeTime,
    recorder: Recorder,
    tmp_path: Path,
) -> Any:
    def open_with(**options: Any) -> KeyResolvers:
        locations = [KeyLocations(asap_url=server.url)]
        context = source_context(time, recorder, **options)
        return KeyResolvers(locations, session, context, [KeyCacheFile(tmp_path / "keys")])

    return open_with


async def restart(old: KeyResolvers, new: KeyResolvers) -> Any:
    await old.close()
    await new.start()
    return new.resolver_for(new._resolvers[0][0])


@pytest.mark.parametrize("down", [0, 86_399, 86_400])
async def test_key_is_used_for_the_stale_grace_after_its_confirmation(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_with: Any, down: float
) -> None:
    server.publish("k", pem("k"), Cache_Control="max-age=9999999")
    old = open_with()
    await old.start()
    await old._resolvers[0][1].fetch("k")
    time.advance(down)
    server.reply_to_all = Reply(status=500)
    new = open_with()
    resolver = await restart(old, new)
    if down < 86_400:
        assert is_key(resolver.get("k"), "k")
        assert (new.status()[0].state, new.status()[0].ready) == ("stale", True)
        assert recorder.lookups["asap", "stale"] == 1
    time.advance(86_400 - down)
    assert resolver.get("k") is None
    await new.close()


async def test_restored_keys_are_asked_for_at_once(
    server: KeyServer, time: FakeTime, open_with: Any
) -> None:
    server.publish("k", pem("k"))
    server.publish("gone", pem("gone"))
    old = open_with()
    await old.start()
    for key_id in ("k", "gone"):
        await old._resolvers[0][1].fetch(key_id)
    server.publish("k", pem("new"))
    del server.replies[asap_path("gone")]
    new = open_with()
    resolver = await restart(old, new)
    await resolver.sources[0].tick()
    assert is_key(resolver.get("k"), "new")
    assert is_key(resolver.get("gone"), "gone")
    time.advance(5400)
    assert resolver.get("gone") is None
    await new.close()


async def test_clock_that_was_set_back_does_not_extend_a_key(
    server: KeyServer, time: FakeTime, open_with: Any, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    later = START + 10 * 86_400
    source: SourceId = ("asap", source_url(URL(server.url)))
    KeyCacheFile(path).write([record("k", later, source=source, until=later + 90_000)], 0)
    server.reply_to_all = Reply(status=500)
    resolvers = open_with()
    await resolvers.start()
    resolver = resolvers._resolvers[0][1]
    assert is_key(resolver.get("k"), "k")
    time.advance(86_400)
    assert resolver.get("k") is None
    await resolvers.close()


@pytest.mark.parametrize("kind", ["pipe", "folder", "symbolic link"])
def test_other_kinds_of_file_are_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keys"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("other")
    with pytest.raises((ValueError, OSError), match=r"expected a regular file|directory"):
        KeyCacheFile(path).read()


async def test_reload_does_not_bring_a_refused_key_back(
    server: KeyServer, time: FakeTime, open_with: Any, tmp_path: Path
) -> None:
    server.publish("k", pem("k"))
    old = open_with()
    await old.start()
    await old._resolvers[0][1].fetch("k")
    await old._keeper.tick()
    before = (tmp_path / "keys").read_bytes()
    server.publish("k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    time.advance(3599)
    await old._resolvers[0][1].sources[0].tick()
    new = open_with()
    new.copy_from(old)
    assert (tmp_path / "keys").read_bytes() == before
    await new.start()
    assert new._resolvers[0][1].get("k") is None
    await new.close()
    await old.close()
    assert KeyCacheFile(tmp_path / "keys").read()[0].key is None

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import aiohttp
import pytest

from tests.support.key_server import (
    START,
    FakeTime,
    KeyServer,
    Recorder,
    Reply,
    asap_path,
    certificate,
    is_key,
    pem,
    set_fetch_timeout,
    source_context,
    until,
)
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import Missing

Open = Callable[..., AsapSource]


@pytest.fixture
async def open_source(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    opened: list[AsapSource] = []

    def open_source(**options: Any) -> AsapSource:
        opened.append(AsapSource(server.url, session, source_context(time, recorder, **options)))
        return opened[-1]

    yield open_source
    for source in opened:
        await source.close()


async def open_with_key(server: KeyServer, open_source: Open) -> AsapSource:
    """Open a source to which its server has sent a key, ``real``."""
    source = open_source()
    server.publish("real", pem("real"))
    await source.fetch("real")
    return source


# The URL and the format of a key


async def test_key_is_requested_by_digest_of_key_id(server: KeyServer, open_source: Open) -> None:
    source = open_source()
    for key_id in ("k", "a/b c?d", "ключ", "\0", "k" * 5000):
        server.publish(key_id, pem(key_id))
        assert source.get(key_id) is None
        assert is_key(await source.fetch(key_id), key_id)
        assert is_key(source.get(key_id), key_id)
    assert len(server.requests) == 5


async def test_certificate_is_accepted_whatever_its_dates(
    server: KeyServer, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("valid", certificate("valid", START - 1, START + 1))
    server.publish("over", certificate("over", START - 2, START - 1))
    for name in ("valid", "over"):
        assert is_key(await source.fetch(name), name)
    assert recorder.skips == {}


@pytest.mark.parametrize("body", ["", "<html>", '{"kty": "RSA"}', "AAAA", pem("k")[:90]])
async def test_other_formats_than_pem_are_refused(
    server: KeyServer, recorder: Recorder, open_source: Open, body: str
) -> None:
    source = open_source()
    server.publish("k", body)
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert source.status().last_error.startswith("the response cannot be used: expected ")
    assert recorder.skips == {("asap", "malformed"): 1}
    assert recorder.fetches == {("asap", "error"): 1}


async def test_base_url_may_end_in_a_slash(
    server: KeyServer, session: aiohttp.ClientSession
) -> None:
    server.replies["/keys" + asap_path("k")] = Reply(pem("k").encode())
    for base in (f"{server.url}/keys", f"{server.url}/keys/"):
        assert is_key(await AsapSource(base, session, source_context()).fetch("k"), "k")


async def test_requests_name_the_program_and_send_no_cookies(
    server: KeyServer, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"), Set_Cookie="a=b")
    await source.fetch("k")
    await source.fetch("other")
    for request in server.requests:
        assert request.headers["User-Agent"].startswith("jitsi-verifier/")
        assert "Cookie" not in request.headers


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc/keys", "host/keys", "http:///x", ""])
async def test_urls_other_than_http_and_https_are_refused(
    session: aiohttp.ClientSession, url: str
) -> None:
    with pytest.raises(ValueError, match="expected an http or https URL"):
        AsapSource(url, session)


# Freshness


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, 3600),
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": "max-age=5"}, 60),
        ({"Cache-Control": "no-store"}, 60),
        ({"Cache-Control": "max-age=9999999"}, 86_400),
        ({"Cache-Control": "max-age=600", "Age": "100"}, 500),
    ],
)
async def test_freshness_is_stated_by_the_server_within_limits(
    server: KeyServer, open_source: Open, headers: dict[str, str], lifetime: int
) -> None:
    source = open_source()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), headers=headers)
    await source.fetch("k")
    assert source.status().keys[0].expires == START + lifetime


async def test_lookups_are_counted_as_miss_hit_and_stale(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    assert source.get("k") is None
    await source.fetch("k")
    time.advance(3599)
    source.get("k")
    time.advance(1)
    source.get("k")
    assert recorder.lookups == {("asap", "miss"): 1, ("asap", "hit"): 1, ("asap", "stale"): 1}


async def test_cached_key_is_used_while_it_is_refreshed(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"), Cache_Control="max-age=1000", ETag='"1"')
    await source.fetch("k")
    time.random_value = 0.0
    time.advance(749)
    await source.tick()
    assert len(server.requests) == 1
    time.advance(151)
    server.replies[asap_path("k")] = Reply(fault="stall", status=304)
    refresh = asyncio.create_task(source.tick())
    await until(lambda: len(server.requests) == 2)
    assert server.requests[1].headers["If-None-Match"] == '"1"'
    assert is_key(source.get("k"), "k")
    server.release.set()
    await refresh
    assert source.status().keys[0].expires == START + 900 + 1000
    assert recorder.lookups["asap", "stale"] == 0
    assert recorder.changes == []


async def test_jitter_spreads_refreshes(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(pem("k").encode(), headers={"Cache-Control": "max-age=1000"})
    for number, chance in enumerate((0.0, 0.99)):
        time.random_value = chance
        await source.fetch(str(number))
    time.advance(751)
    await source.tick()
    assert server.paths() == [asap_path("0"), asap_path("1"), asap_path("0")]


async def test_key_replaced_under_same_key_id_is_used(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("old"))
    await source.fetch("k")
    server.publish("k", pem("new"))
    time.advance(3599)
    await source.tick()
    assert is_key(source.get("k"), "new")
    assert recorder.changes == [frozenset({"k"})]


async def test_withdrawn_key_is_used_for_the_grace_period(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    del server.replies[asap_path("k")]
    time.advance(3599)
    await source.tick()
    time.advance(5399)
    await source.tick()
    assert is_key(source.get("k"), "k")
    assert recorder.changes == []
    time.advance(1)
    assert source.get("k") is None
    await source.tick()
    assert recorder.changes == [frozenset({"k"})]
    assert recorder.counts["asap"] == 0


async def test_key_that_returns_within_the_grace_period_stays(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = Reply(status=404)
    time.advance(3599)
    await source.tick()
    server.reply_to_all = None
    time.advance(60)
    await source.tick()
    time.advance(3000)
    await source.tick()
    time.advance(3000)
    await source.tick()
    assert is_key(source.get("k"), "k")
    assert recorder.changes == []


async def test_key_that_becomes_untrustworthy_is_removed_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.publish("k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    time.advance(3599)
    await source.tick()
    assert source.get("k") is None
    assert recorder.changes == [frozenset({"k"})]
    assert recorder.skips == {("asap", "private"): 1}
    assert recorder.skipped == {"asap": {"private": 1}}
    server.publish("k", pem("k"))
    time.advance(3599)
    await source.fetch("k")
    assert recorder.skipped == {"asap": {}}


async def test_unused_key_is_forgotten_after_a_day(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(86_401)
    await source.tick()
    assert len(server.requests) == 1
    assert source.status().keys == ()


async def test_unused_key_is_kept_while_the_server_fails(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = Reply(status=500)
    time.advance(3599)
    await source.tick()
    time.advance(86_400)
    await source.tick()
    assert is_key(source.get("k"), "k")


# Faults of the server


FAULTS = {
    "500": Reply(status=500),
    "403": Reply(status=403),
    "unexpected 304": Reply(status=304),
    "redirect": Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "garbage": Reply(b"<html>\xff"),
    "cut off": Reply(b"-----BEGIN", fault="cut off"),
    "huge": Reply(b"-" * 1_100_000),
    "stall": Reply(fault="stall"),
    "stall in body": Reply(b"-----BEGIN", fault="stall in body"),
    "404": Reply(status=404),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_cached_key_is_used_during_every_fault(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open, fault: str
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = FAULTS[fault]
    set_fetch_timeout(source, 0.1 if "stall" in fault else 5)
    for _ in range(5):
        time.advance(1000)
        await source.tick()
        assert is_key(source.get("k"), "k")
    assert len(server.requests) > 1
    assert recorder.changes == []
    server.reply_to_all = None
    set_fetch_timeout(source, 5)
    time.advance(60)
    await source.tick()
    status = source.status()
    assert (status.state, status.last_error) == ("ready", "")
    assert status.keys[0].expires == START + time.elapsed + 3600


async def test_stale_key_is_used_for_one_day(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = Reply(status=500)
    for _ in range(30):
        time.advance(2999)
        await source.tick()
        assert is_key(source.get("k"), "k")
    assert (source.status().state, source.status().ready) == ("stale", True)
    assert source.status().last_error.startswith("status 500 from http://127.0.0.1")
    assert recorder.lookups["asap", "stale"] > 25
    assert recorder.successes["asap"] == START
    time.advance(30)
    assert source.get("k") is None
    await source.tick()
    assert recorder.changes == [frozenset({"k"})]
    assert source.status().state == "failing"


async def test_pauses_double_up_to_a_minute_until_recovery(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(3590)
    server.reply_to_all = Reply(status=500)
    times = []
    for _ in range(400):
        seen = len(server.requests)
        await source.tick()
        if len(server.requests) > seen:
            times.append(time.elapsed)
        time.advance(1)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}
    server.reply_to_all = None
    time.advance(60)
    await source.tick()
    assert source.status().state == "ready"


async def test_probe_of_a_due_key_is_not_repeated(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(3599)
    server.reply_to_all = Reply(status=500)
    await source.tick()
    server.reply_to_all = None
    time.advance(60)
    await source.tick()
    assert len(server.requests) == 3


@pytest.mark.parametrize("chance", [0.0, 0.999])
async def test_jitter_keeps_pauses_between_a_second_and_a_minute(
    server: KeyServer, time: FakeTime, open_source: Open, chance: float
) -> None:
    time.random_value = chance
    source = open_source()
    server.reply_to_all = Reply(status=500)
    await source.fetch("k")
    time.advance(0.99)
    await source.tick()
    assert len(server.requests) == 1
    for _ in range(10):
        time.advance(60)
        await source.tick()
    assert len(server.requests) == 11


async def test_simultaneous_failures_count_as_one(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500, fault="stall")
    waiting = [asyncio.create_task(source.fetch(str(number))) for number in range(4)]
    await until(lambda: server.in_progress == 4)
    server.release.set()
    assert set(await asyncio.gather(*waiting)) == {Missing.UNAVAILABLE}
    server.reply_to_all = Reply(pem("k").encode())
    time.advance(1)
    assert is_key(await source.fetch("k"), "k")


async def test_failed_lookup_is_repeated_without_another_token(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    assert (source.status().state, source.status().ready) == ("never-needed", True)
    server.reply_to_all = Reply(status=500)
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert (source.status().state, source.status().ready) == ("failing", False)
    server.reply_to_all = None
    time.advance(2)
    await source.tick()
    assert (source.status().state, source.status().ready) == ("ready", True)


async def test_source_recovers_after_refused_connections(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await server.stop_listening()
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert "cannot connect (Connection refused)" in source.status().last_error
    await server.start_listening()
    time.advance(10)
    assert is_key(await source.fetch("k"), "k")


async def test_key_refused_with_403_is_requested_every_minute(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = Reply(status=403)
    time.advance(3599)
    for _ in range(121):
        await source.tick()
        time.advance(1)
    assert is_key(source.get("k"), "k")
    assert (source.status().state, source.status().ready) == ("stale", True)
    assert len(server.requests) == 1 + 3


async def test_response_about_one_key_ends_an_outage(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.reply_to_all = Reply(status=400)
    time.advance(2)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    assert (source.status().state, source.status().ready) == ("starting", False)
    server.reply_to_all = None
    server.publish("b", pem("b"))
    assert is_key(await source.fetch("b"), "b")


# Unknown key ids


async def test_simultaneous_requests_share_one_fetch(server: KeyServer, open_source: Open) -> None:
    source = open_source()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), fault="stall")
    waiting = [asyncio.create_task(source.fetch("k")) for _ in range(200)]
    await until(lambda: server.in_progress == 1)
    server.release.set()
    assert all(is_key(found, "k") for found in await asyncio.gather(*waiting))
    assert len(server.requests) == 1


async def test_cancelled_request_does_not_cancel_the_shared_fetch(
    server: KeyServer, open_source: Open
) -> None:
    source = open_source()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), fault="stall")
    first, second = (asyncio.create_task(source.fetch("k")) for _ in range(2))
    await until(lambda: server.in_progress == 1)
    first.cancel()
    server.release.set()
    assert is_key(await second, "k")


async def test_unknown_key_id_is_remembered_for_ten_seconds(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = open_source()
    for _ in range(10):
        assert await source.fetch("k") is Missing.UNKNOWN
        time.advance(0.99)
    assert len(server.requests) == 1
    assert recorder.lookups == {("asap", "miss"): 1, ("asap", "negative"): 9}
    assert recorder.fetches == {("asap", "not-found"): 1}


async def test_published_key_is_accepted_after_ten_seconds(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    assert await source.fetch("k") is Missing.UNKNOWN
    server.publish("k", pem("k"))
    time.advance(10)
    assert is_key(await source.fetch("k"), "k")


async def test_last_minutes_answer_is_used_while_the_server_fails(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    assert await source.fetch("k") is Missing.UNKNOWN
    server.reply_to_all = Reply(status=500)
    time.advance(59)
    assert await source.fetch("k") is Missing.UNKNOWN
    assert await source.fetch("other") is Missing.UNAVAILABLE
    time.advance(2)
    assert await source.fetch("k") is Missing.UNAVAILABLE


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 451])
async def test_each_answer_for_an_absent_key_is_remembered(
    server: KeyServer, recorder: Recorder, open_source: Open, status: int
) -> None:
    source = await open_with_key(server, open_source)
    server.reply_to_all = Reply(status=status)
    for _ in range(3):
        assert await source.fetch("k") is Missing.UNKNOWN
    assert len(server.requests) == 2
    assert recorder.fetches["asap", "not-found"] == 1
    assert (source.status().state, source.status().last_error) == ("ready", "")


PAGE = Reply(b"<!doctype html><title>Meet</title>")


@pytest.mark.parametrize("reply", [PAGE, Reply(b"\n<?xml version='1.0'?><Error/>")])
async def test_web_page_means_that_there_is_no_key(
    server: KeyServer, recorder: Recorder, open_source: Open, reply: Reply
) -> None:
    source = await open_with_key(server, open_source)
    server.reply_to_all = reply
    assert await source.fetch("k") is Missing.UNKNOWN
    assert recorder.fetches["asap", "not-found"] == 1
    assert recorder.skips == {}
    status = source.status()
    assert (status.state, status.last_error, status.skipped) == ("ready", "", ())


@pytest.mark.parametrize("reply", [PAGE, Reply(status=401)])
async def test_response_without_a_key_ends_no_known_key(
    server: KeyServer, time: FakeTime, open_source: Open, reply: Reply
) -> None:
    source = await open_with_key(server, open_source)
    server.reply_to_all = reply
    time.advance(3599)
    await source.tick()
    assert source.status().last_error.endswith("for a key that it had before")
    time.advance(86_400)
    assert is_key(source.get("real"), "real")


@pytest.mark.parametrize(
    "body",
    [
        b"\x30\x82\x01\x22",
        b"\n MIIBIjANBgkqhkiG9w0BAQEF",
        b'{"kty": "RSA"}',
        b"ssh-rsa AAAA",
        b'{"error": "not found"}',
        b"rubbish",
        b"",
        pem("k").encode("utf-16"),
    ],
)
async def test_text_that_is_no_key_is_reported(
    server: KeyServer, open_source: Open, body: bytes
) -> None:
    source = await open_with_key(server, open_source)
    server.publish("k", body)
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert [entry.key_id for entry in source.status().skipped] == ["k"]


async def test_server_that_refuses_every_key_is_reported(
    server: KeyServer, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=403)
    error = f"status 403 for every key so far from {server.url}: check its access rights"
    for key_id in "abc":
        assert await source.fetch(key_id) is Missing.UNKNOWN
        assert source.status().last_error == error
    assert [record.message for record in caplog.records] == ["no key found yet"]
    server.reply_to_all = None
    server.publish("real", pem("real"))
    assert is_key(await source.fetch("real"), "real")
    server.reply_to_all = Reply(status=403)
    await source.fetch("d")
    assert source.status().last_error == ""
    assert len(caplog.records) == 1


async def test_refusal_of_known_keys_is_logged_once(
    server: KeyServer, time: FakeTime, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source()
    for key_id in "ab":
        server.publish(key_id, pem(key_id))
        await source.fetch(key_id)
    server.reply_to_all = Reply(status=403)
    for _ in range(3):
        time.advance(3599)
        await source.tick()
    assert is_key(source.get("a"), "a")
    assert source.status().last_error.endswith("for a key that it had before")
    assert [record.message for record in caplog.records] == ["keys cannot be fetched"]


async def test_gone_key_is_withdrawn(server: KeyServer, time: FakeTime, open_source: Open) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.reply_to_all = Reply(status=410)
    time.advance(3599)
    await source.tick()
    time.advance(5399)
    assert is_key(source.get("k"), "k")
    time.advance(1)
    assert source.get("k") is None


# Floods of invented key ids; tests/integration/service/test_key_flood.py has the whole service


async def flood(source: AsapSource, key_ids: Iterable[str]) -> list[asyncio.Task[object]]:
    """Name key ids in this order; return when all of them have their turn, or wait for it."""
    tasks: list[asyncio.Task[object]] = []
    for key_id in key_ids:
        tasks.append(asyncio.create_task(source.fetch(key_id)))
        await asyncio.sleep(0)
    return tasks


async def all_lookups_end(source: AsapSource, server: KeyServer) -> None:
    """Wait until no lookup runs; those that wait for the budget go on waiting."""
    await until(lambda: source._queue._running == 0 and server.in_progress == 0)


async def test_flood_of_invented_key_ids_is_limited(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    source = await open_with_key(server, open_source)
    for second in range(20):
        await flood(source, (f"invented {second} {number}" for number in range(500)))
        await all_lookups_end(source, server)
        time.advance(1)
    # At first six seconds of the rate, and then ten a second.
    assert len(server.requests) == 1 + 60 + 19 * 10
    assert is_key(source.get("real"), "real")
    assert recorder.counts["asap"] == 1


async def test_key_ids_that_lose_their_place_are_not_called_unknown(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source(key_fetch_timeout=3.0)
    found = await asyncio.gather(*await flood(source, map(str, range(2000))))
    assert Counter(found) == {Missing.UNKNOWN: 60, Missing.UNAVAILABLE: 1940}
    await until(lambda: not source._queue._waiting)
    # Those that were not looked up are looked up when they are named again.
    time.advance(6)
    await flood(source, map(str, range(500)))
    await all_lookups_end(source, server)
    assert len(server.requests) == 120


async def test_real_keys_are_found_without_a_limit(server: KeyServer, open_source: Open) -> None:
    source = open_source(key_lookup_rate=1.0)
    key_ids = [f"{kind} {number}" for number in range(200) for kind in ("real", "invented")]
    for key_id in key_ids[::2]:
        server.publish(key_id, pem("k"))
    found = await asyncio.gather(*await flood(source, key_ids))
    assert all(is_key(key, "k") for key in found[::2])


@pytest.mark.parametrize(("recycled", "rounds"), [(False, 2), (True, 1)])
async def test_new_key_is_found_beside_a_flood(
    server: KeyServer, time: FakeTime, open_source: Open, recycled: bool, rounds: int
) -> None:
    """It is the newest beside key ids that return, and the oldest beside ever new ones."""
    source = open_source()
    server.publish("real", pem("real"))
    names = itertools.cycle(map(str, range(1000))) if recycled else map(str, itertools.count())

    async def second(*first: str) -> None:
        for key_id in itertools.chain(first, itertools.islice(names, 300)):
            await flood(source, [key_id])
            time.advance(1 / 300)
        await all_lookups_end(source, server)
        # The clients of all that wait give up, and try again in the next second or never.
        source._queue.drop_all()

    for _ in range(20):
        await second()
    for _ in range(rounds):
        await second(*itertools.islice(names, 140), "real")
    assert is_key(source.get("real"), "real")


async def test_key_id_that_had_a_key_is_looked_up_first(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source(key_cache_size=1)
    for key_id in ("first", "second"):
        server.publish(key_id, pem(key_id))
        await source.fetch(key_id)
    await flood(source, map(str, range(300)))
    await all_lookups_end(source, server)
    await flood(source, ["first", *map(str, range(300, 400))])
    time.advance(0.4)
    source._queue._advance()
    await until(lambda: source.get("first") is not None)


async def test_flood_during_an_outage_causes_one_request_a_pause(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500)
    await source.fetch("first")
    found = await asyncio.gather(*(source.fetch(str(number)) for number in range(500)))
    assert set(found) == {Missing.UNAVAILABLE}
    assert len(server.requests) == 1
    time.advance(2)
    await asyncio.gather(*(source.fetch(str(number)) for number in range(500)))
    assert len(server.requests) == 2


async def test_fifty_keys_are_fetched_after_a_restart(server: KeyServer, open_source: Open) -> None:
    source = open_source()
    for number in range(50):
        server.publish(str(number), pem(str(number)))
    found = await asyncio.gather(*(source.fetch(str(number % 50)) for number in range(200)))
    assert all(is_key(key, str(number % 50)) for number, key in enumerate(found))
    assert len(server.requests) == 50
    assert server.most_parallel <= 16


async def test_one_bad_key_does_not_open_the_circuit(server: KeyServer, open_source: Open) -> None:
    source = open_source()
    server.publish("good", pem("good"))
    server.replies[asap_path("bad")] = Reply(status=400)
    server.publish("garbage", "<html>")
    server.publish("private", "-----BEGIN PRIVATE KEY-----")
    assert await source.fetch("bad") is Missing.UNAVAILABLE
    assert await source.fetch("garbage") is Missing.UNAVAILABLE
    assert await source.fetch("private") is Missing.UNKNOWN
    assert is_key(await source.fetch("good"), "good")
    for key_id in ("bad", "garbage", "private"):
        await source.fetch(key_id)
    assert len(server.requests) == 4


async def test_least_recently_used_key_is_evicted(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source(key_cache_size=3)
    for number in range(4):
        server.publish(str(number), pem(str(number)))
        await source.fetch(str(number))
        time.advance(1)
        source.get("0")
    assert [key.key_id for key in source.status().keys] == ["0", "2", "3"]


# Waiting and connections


async def test_request_waits_at_most_for_the_timeout(
    server: KeyServer, recorder: Recorder, open_source: Open
) -> None:
    old, source = open_source(), open_source(key_fetch_timeout=1.5)
    server.publish("cached", pem("cached"))
    await old.fetch("cached")
    source.copy_from(old)
    server.reply_to_all = Reply(fault="stall")
    async with asyncio.timeout(30):
        waiting = asyncio.create_task(source.fetch("unknown"))
        await until(lambda: server.in_progress == 1)
        assert is_key(source.get("cached"), "cached")
        assert await waiting is Missing.UNAVAILABLE
    await until(lambda: recorder.fetches["asap", "timeout"] == 1)


async def test_stalled_server_holds_at_most_sixteen_connections(
    server: KeyServer, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(fault="stall")
    lookups = [asyncio.create_task(source.fetch(str(number))) for number in range(100)]
    await until(lambda: server.in_progress == 16)
    server.release.set()
    assert set(await asyncio.gather(*lookups)) <= {Missing.UNAVAILABLE, Missing.UNKNOWN}
    assert server.most_parallel == 16
    assert server.connections <= 16


async def test_refreshes_leave_connections_for_lookups(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    for number in range(10):
        server.publish(str(number), pem(str(number)))
        await source.fetch(str(number))
        server.replies[asap_path(str(number))].fault = "stall"
    server.publish("new", pem("new"))
    time.advance(3599)
    refreshing = asyncio.create_task(source.tick())
    await until(lambda: server.in_progress == 2)
    assert is_key(await source.fetch("new"), "new")
    server.release.set()
    await refreshing
    assert server.most_parallel <= 3


# Reload and status


async def test_replacement_takes_over_keys_and_failures(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    old, new = open_source(), open_source(key_stale_grace=60.0)
    server.publish("k", pem("k"))
    await old.fetch("k")
    server.reply_to_all = Reply(status=500)
    time.advance(3599)
    await old.tick()
    new.copy_from(old)
    await old.close()
    assert is_key(new.get("k"), "k")
    assert new.status().state == "stale"
    assert recorder.changes == []


async def test_status_lists_keys_without_key_material(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    key = await source.fetch("k")
    assert not isinstance(key, Missing)
    time.advance(7)
    status = source.status()
    assert (status.name, status.last_success, status.last_error) == ("asap", START, "")
    assert [
        (entry.key_id, entry.source, entry.algorithms, entry.fetched, entry.expires)
        for entry in status.keys
    ] == [("k", "asap", ("ES256",), START, START + 3600)]
    assert status.keys[0].fingerprint == key.fingerprint
    assert "material" not in repr(status)


async def test_cached_key_is_found_by_its_digest(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.publish("k", pem("k"))
    digest = asap_path("k")[1:-4]
    assert await source.find_by_digest(digest) is None
    await source.fetch("k")
    time.advance(600)
    found = await source.find_by_digest(digest)
    assert found is not None
    assert (is_key(found[0], "k"), found[1]) == (True, 3000)


async def test_close_ends_waiting_requests(server: KeyServer, open_source: Open) -> None:
    source = open_source()
    server.reply_to_all = Reply(fault="stall")
    await source.start()
    waiting: Awaitable[object] = asyncio.ensure_future(source.fetch("k"))
    await until(lambda: server.in_progress == 1)
    await source.close()
    assert await waiting is Missing.UNAVAILABLE


# Forms


async def test_unusable_key_is_named_until_the_server_has_a_good_one(
    server: KeyServer,
    time: FakeTime,
    open_source: Open,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.publish("k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    server.publish("two", pem("a") + pem("b"))
    source = open_source()
    assert await source.fetch("k") is Missing.UNKNOWN
    assert await source.fetch("two") is Missing.UNAVAILABLE
    shown = {entry.key_id: entry for entry in source.status().skipped}
    assert (shown["k"].reason, shown["two"].reason) == ("private", "malformed")
    assert shown["two"].detail.endswith("found 2 with different keys")
    assert [record.message for record in caplog.records] == [
        "private key published",
        "key not used",
    ]
    server.publish("k", pem("k"))
    server.publish("two", b"\xef\xbb\xbf" + pem("two").replace("\n", "\r\n").encode())
    time.advance(61)
    assert is_key(await source.fetch("k"), "k")
    assert is_key(await source.fetch("two"), "two")
    assert source.status().skipped == ()


async def test_named_unusable_keys_are_bounded(server: KeyServer, open_source: Open) -> None:
    source = open_source(key_lookup_rate=1000)
    for number in range(120):
        server.publish(f"{number}", "-----BEGIN PUBLIC KEY-----\n")
        await source.fetch(f"{number}")
    assert [entry.key_id for entry in source.status().skipped] == [f"{n}" for n in range(20, 120)]


async def test_irregular_key_is_used_and_logged_once(
    server: KeyServer, time: FakeTime, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.publish("k", pem("k") * 2, Cache_Control="max-age=60")
    source = open_source()
    for _ in range(3):
        assert is_key(await source.fetch("k"), "k")
        time.advance(59)
        await source.tick()
    assert [record.message for record in caplog.records] == ["irregular key used"]
    assert [key.irregular for key in source.status().keys] == [
        "further PEM blocks follow the first one"
    ]

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
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
    hurry,
    is_key,
    pem,
    source_context,
    until,
)
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import Missing

Open = Callable[..., AsapSource]


@pytest.fixture
async def source_for(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    opened: list[AsapSource] = []

    def source_for(**options: Any) -> AsapSource:
        opened.append(AsapSource(server.url, session, source_context(time, recorder, **options)))
        return opened[-1]

    yield source_for
    for source in opened:
        await source.close()


# Where a key is, and in which form


async def test_a_key_is_fetched_by_the_hash_of_its_key_id(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    for key_id in ("k", "a/b c?d", "ключ", "\0", "k" * 5000):
        server.publish(key_id, pem(key_id))
        assert source.get(key_id) is None
        assert is_key(await source.fetch(key_id), key_id)
        assert is_key(source.get(key_id), key_id)
    assert len(server.requests) == 5


async def test_a_key_may_come_in_a_certificate_which_is_but_an_envelope(
    server: KeyServer, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("valid", certificate("valid", START - 1, START + 1))
    server.publish("over", certificate("over", START - 2, START - 1))
    for name in ("valid", "over"):
        assert is_key(await source.fetch(name), name)
    assert recorder.skips == {}


@pytest.mark.parametrize("body", ["", "<html>", '{"kty": "RSA"}', "AAAA", pem("k")[:90]])
async def test_nothing_but_pem_is_a_key(
    server: KeyServer, recorder: Recorder, source_for: Open, body: str
) -> None:
    source = source_for()
    server.publish("k", body)
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert source.status().last_error.startswith("the response cannot be used: expected ")
    assert recorder.skips == {("asap", "malformed"): 1}
    assert recorder.fetches == {("asap", "error"): 1}


async def test_the_base_may_end_in_a_slash(
    server: KeyServer, session: aiohttp.ClientSession
) -> None:
    server.replies["/keys" + asap_path("k")] = Reply(pem("k").encode())
    for base in (f"{server.url}/keys", f"{server.url}/keys/"):
        assert is_key(await AsapSource(base, session, source_context()).fetch("k"), "k")


async def test_requests_name_their_program_and_carry_no_cookies(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"), Set_Cookie="a=b")
    await source.fetch("k")
    await source.fetch("other")
    for request in server.requests:
        assert request.headers["User-Agent"].startswith("jitsi-verifier/")
        assert "Cookie" not in request.headers


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc/keys", "host/keys", "http:///x", ""])
async def test_only_http_and_https_urls_are_taken(session: aiohttp.ClientSession, url: str) -> None:
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
async def test_a_key_is_fresh_for_as_long_as_its_server_says_within_bounds(
    server: KeyServer, source_for: Open, headers: dict[str, str], lifetime: int
) -> None:
    source = source_for()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), headers=headers)
    await source.fetch("k")
    assert source.status().keys[0].expires == START + lifetime


async def test_look_ups_are_counted_as_miss_hit_and_stale(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    assert source.get("k") is None
    await source.fetch("k")
    time.advance(3599)
    source.get("k")
    time.advance(1)
    source.get("k")
    assert recorder.lookups == {("asap", "miss"): 1, ("asap", "hit"): 1, ("asap", "stale"): 1}


async def test_a_known_key_is_refreshed_before_it_expires_and_no_request_waits(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"), Cache_Control="max-age=1000", ETag='"1"')
    await source.fetch("k")
    time.chance = 0.0
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
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(pem("k").encode(), headers={"Cache-Control": "max-age=1000"})
    for number, chance in enumerate((0.0, 0.99)):
        time.chance = chance
        await source.fetch(str(number))
    time.advance(751)
    await source.tick()
    assert server.paths() == [asap_path("0"), asap_path("1"), asap_path("0")]


async def test_a_key_that_is_replaced_under_its_key_id_is_replaced_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("old"))
    await source.fetch("k")
    server.publish("k", pem("new"))
    time.advance(3599)
    await source.tick()
    assert is_key(source.get("k"), "new")
    assert recorder.changes == [frozenset({"k"})]


async def test_a_key_that_disappears_stays_valid_for_the_grace_period(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
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


async def test_a_key_that_comes_back_within_the_grace_period_stays(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.always = Reply(status=404)
    time.advance(3599)
    await source.tick()
    server.always = None
    time.advance(60)
    await source.tick()
    time.advance(3000)
    await source.tick()
    time.advance(3000)
    await source.tick()
    assert is_key(source.get("k"), "k")
    assert recorder.changes == []


async def test_a_key_that_becomes_untrustworthy_is_dropped_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.publish("k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    time.advance(3599)
    await source.tick()
    assert source.get("k") is None
    assert recorder.changes == [frozenset({"k"})]
    assert recorder.skips == {("asap", "private"): 1}


async def test_a_key_that_no_token_needs_is_not_refreshed_for_ever(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(86_401)
    await source.tick()
    assert len(server.requests) == 1
    assert source.status().keys == ()


async def test_a_key_that_no_token_needs_is_kept_while_it_could_not_be_fetched_again(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.always = Reply(status=500)
    time.advance(3599)
    await source.tick()
    time.advance(86_400)
    await source.tick()
    assert is_key(source.get("k"), "k")


# Stale if error


FAULTS = {
    "500": Reply(status=500),
    "403": Reply(status=403),
    "304 to nothing": Reply(status=304),
    "redirect": Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "garbage": Reply(b"<html>\xff"),
    "cut off": Reply(b"-----BEGIN", fault="cut off"),
    "huge": Reply(b"-" * 1_100_000),
    "stall": Reply(fault="stall"),
    "stall in body": Reply(b"-----BEGIN", fault="stall in body"),
    "404": Reply(status=404),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_known_key_works_on_through_any_fault(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open, fault: str
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.always = FAULTS[fault]
    hurry(source, 0.1 if "stall" in fault else 5)
    for _ in range(5):
        time.advance(1000)
        await source.tick()
        assert is_key(source.get("k"), "k")
    assert len(server.requests) > 1
    assert recorder.changes == []
    server.always = None
    hurry(source, 5)
    time.advance(60)
    await source.tick()
    status = source.status()
    assert (status.state, status.last_error) == ("ready", "")
    assert status.keys[0].expires == START + time.passed + 3600


async def test_while_the_server_fails_known_keys_are_stale_for_a_day_and_no_longer(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.always = Reply(status=500)
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


async def test_failures_back_off_to_a_minute_and_recover_by_themselves(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(3590)
    server.always = Reply(status=500)
    times = []
    for _ in range(400):
        seen = len(server.requests)
        await source.tick()
        if len(server.requests) > seen:
            times.append(time.passed)
        time.advance(1)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}
    server.always = None
    time.advance(60)
    await source.tick()
    assert source.status().state == "ready"


async def test_probe_of_a_due_key_is_not_repeated(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    time.advance(3599)
    server.always = Reply(status=500)
    await source.tick()
    server.always = None
    time.advance(60)
    await source.tick()
    assert len(server.requests) == 3


@pytest.mark.parametrize("chance", [0.0, 0.999])
async def test_the_first_pause_is_a_second_and_the_longest_a_minute(
    server: KeyServer, time: FakeTime, source_for: Open, chance: float
) -> None:
    time.chance = chance
    source = source_for()
    server.always = Reply(status=500)
    await source.fetch("k")
    time.advance(0.99)
    await source.tick()
    assert len(server.requests) == 1
    for _ in range(10):
        time.advance(60)
        await source.tick()
    assert len(server.requests) == 11


async def test_failures_at_the_same_time_are_one_failure(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500, fault="stall")
    waiting = [asyncio.create_task(source.fetch(str(number))) for number in range(4)]
    await until(lambda: server.serving == 4)
    server.release.set()
    assert set(await asyncio.gather(*waiting)) == {Missing.UNAVAILABLE}
    server.always = Reply(pem("k").encode())
    time.advance(1)
    assert is_key(await source.fetch("k"), "k")


async def test_a_server_that_never_answered_is_asked_again_without_any_token(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    assert (source.status().state, source.status().ready) == ("never-needed", True)
    server.always = Reply(status=500)
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert (source.status().state, source.status().ready) == ("failing", False)
    server.always = None
    time.advance(2)
    await source.tick()
    assert (source.status().state, source.status().ready) == ("ready", True)


async def test_a_server_that_refuses_connections_fails_and_comes_back(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await server.go_down()
    assert await source.fetch("k") is Missing.UNAVAILABLE
    assert "cannot connect (Connection refused)" in source.status().last_error
    await server.come_up()
    time.advance(10)
    assert is_key(await source.fetch("k"), "k")


async def test_keys_that_their_server_refuses_one_by_one_are_stale_and_asked_for_every_minute(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    await source.fetch("k")
    server.always = Reply(status=403)
    time.advance(3599)
    for _ in range(121):
        await source.tick()
        time.advance(1)
    assert is_key(source.get("k"), "k")
    assert (source.status().state, source.status().ready) == ("stale", True)
    assert len(server.requests) == 1 + 3


async def test_an_answer_about_one_key_ends_an_outage(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.always = Reply(status=403)
    time.advance(2)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    assert (source.status().state, source.status().ready) == ("starting", False)
    server.always = None
    server.publish("b", pem("b"))
    assert is_key(await source.fetch("b"), "b")


# Unknown key ids


async def test_one_fetch_is_shared_by_all_who_wait_for_a_key(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), fault="stall")
    waiting = [asyncio.create_task(source.fetch("k")) for _ in range(200)]
    await until(lambda: server.serving == 1)
    server.release.set()
    assert all(is_key(found, "k") for found in await asyncio.gather(*waiting))
    assert len(server.requests) == 1


async def test_a_request_that_leaves_does_not_end_the_fetch_of_the_others(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    server.replies[asap_path("k")] = Reply(pem("k").encode(), fault="stall")
    first, second = (asyncio.create_task(source.fetch("k")) for _ in range(2))
    await until(lambda: server.serving == 1)
    first.cancel()
    server.release.set()
    assert is_key(await second, "k")


async def test_no_such_key_is_remembered(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    for _ in range(10):
        assert await source.fetch("k") is Missing.UNKNOWN
        time.advance(0.99)
    assert len(server.requests) == 1
    assert recorder.lookups == {("asap", "miss"): 1, ("asap", "negative"): 9}
    assert recorder.fetches == {("asap", "not-found"): 1}


async def test_a_key_that_is_published_is_accepted_ten_seconds_after_the_first_token(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    assert await source.fetch("k") is Missing.UNKNOWN
    server.publish("k", pem("k"))
    time.advance(10)
    assert is_key(await source.fetch("k"), "k")


async def test_what_the_server_said_within_a_minute_is_its_last_word_when_it_fails(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    assert await source.fetch("k") is Missing.UNKNOWN
    server.always = Reply(status=500)
    time.advance(59)
    assert await source.fetch("k") is Missing.UNKNOWN
    assert await source.fetch("other") is Missing.UNAVAILABLE
    time.advance(2)
    assert await source.fetch("k") is Missing.UNAVAILABLE


async def test_a_flood_of_invented_key_ids_neither_hammers_the_server_nor_evicts_real_keys(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    source = source_for()
    server.publish("real", pem("real"))
    await source.fetch("real")
    for second in range(20):
        found = await asyncio.gather(
            *(source.fetch(f"invented {second} {number}") for number in range(500))
        )
        assert set(found) == {Missing.UNKNOWN}
        time.advance(1)
    # Six seconds' worth at first, less what is kept back, and ten a second from then on.
    assert len(server.requests) <= 60 + 20 * 10
    assert is_key(source.get("real"), "real")
    assert recorder.counts["asap"] == 1


async def test_a_flood_while_the_server_fails_is_answered_with_unavailable_and_one_probe(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500)
    await source.fetch("first")
    found = await asyncio.gather(*(source.fetch(str(number)) for number in range(500)))
    assert set(found) == {Missing.UNAVAILABLE}
    assert len(server.requests) == 1
    time.advance(2)
    await asyncio.gather(*(source.fetch(str(number)) for number in range(500)))
    assert len(server.requests) == 2


async def test_a_real_new_key_gets_through_a_flood_when_it_is_asked_for_again(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("real", pem("real"))

    async def flood(second: int) -> None:
        await asyncio.gather(*(source.fetch(f"{second} {number}") for number in range(300)))

    await flood(0)
    assert await source.fetch("real") is Missing.UNKNOWN
    time.advance(1)
    await flood(1)
    assert is_key(await source.fetch("real"), "real")


async def test_after_a_restart_fifty_real_keys_are_all_fetched_at_once(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    for number in range(50):
        server.publish(str(number), pem(str(number)))
    found = await asyncio.gather(*(source.fetch(str(number % 50)) for number in range(200)))
    assert all(is_key(key, str(number % 50)) for number, key in enumerate(found))
    assert len(server.requests) == 50
    assert server.most_at_once <= 4


async def test_one_bad_key_does_not_condemn_the_server(server: KeyServer, source_for: Open) -> None:
    source = source_for()
    server.publish("good", pem("good"))
    server.replies[asap_path("forbidden")] = Reply(status=403)
    server.publish("rubbish", "<html>")
    server.publish("private", "-----BEGIN PRIVATE KEY-----")
    assert await source.fetch("forbidden") is Missing.UNAVAILABLE
    assert await source.fetch("rubbish") is Missing.UNAVAILABLE
    assert await source.fetch("private") is Missing.UNKNOWN
    assert is_key(await source.fetch("good"), "good")
    for key_id in ("forbidden", "rubbish", "private"):
        await source.fetch(key_id)
    assert len(server.requests) == 4


async def test_the_number_of_keys_is_bounded_and_the_least_used_goes(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for(key_cache_size=3)
    for number in range(4):
        server.publish(str(number), pem(str(number)))
        await source.fetch(str(number))
        time.advance(1)
        source.get("0")
    assert [key.key_id for key in source.status().keys] == ["0", "2", "3"]


# Bounded waiting


async def test_a_request_waits_no_longer_than_the_time_out_and_others_do_not_wait(
    server: KeyServer, recorder: Recorder, source_for: Open
) -> None:
    old, source = source_for(), source_for(key_fetch_timeout=0.2)
    server.publish("known", pem("known"))
    await old.fetch("known")
    source.copy_from(old)
    server.always = Reply(fault="stall")
    async with asyncio.timeout(5):
        waiting = asyncio.create_task(source.fetch("unknown"))
        await until(lambda: server.serving == 1)
        assert is_key(source.get("known"), "known")
        assert await waiting is Missing.UNAVAILABLE
    await until(lambda: recorder.fetches["asap", "timeout"] == 1)


async def test_a_stalled_server_holds_four_connections_and_no_more(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for(key_fetch_timeout=0.3)
    server.always = Reply(fault="stall")
    found = await asyncio.gather(*(source.fetch(str(number)) for number in range(100)))
    assert set(found) <= {Missing.UNAVAILABLE, Missing.UNKNOWN}
    assert server.most_at_once == 4
    assert server.connections <= 4


async def test_refreshes_leave_connections_for_new_keys(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    for number in range(10):
        server.publish(str(number), pem(str(number)))
        await source.fetch(str(number))
        server.replies[asap_path(str(number))].fault = "stall"
    server.publish("new", pem("new"))
    time.advance(3599)
    refreshing = asyncio.create_task(source.tick())
    await until(lambda: server.serving == 2)
    assert is_key(await source.fetch("new"), "new")
    server.release.set()
    await refreshing
    assert server.most_at_once <= 3


# Reload, and what is told


async def test_a_replacement_goes_on_with_the_keys_and_the_failures_of_its_predecessor(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    old, new = source_for(), source_for(key_stale_grace=60.0)
    server.publish("k", pem("k"))
    await old.fetch("k")
    server.always = Reply(status=500)
    time.advance(3599)
    await old.tick()
    new.copy_from(old)
    await old.close()
    assert is_key(new.get("k"), "k")
    assert new.status().state == "stale"
    assert recorder.changes == []


async def test_status_names_each_key_without_material(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
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


async def test_a_key_is_found_by_the_hash_of_its_key_id(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.publish("k", pem("k"))
    digest = asap_path("k")[1:-4]
    assert await source.find_by_digest(digest) is None
    await source.fetch("k")
    time.advance(600)
    found = await source.find_by_digest(digest)
    assert found is not None
    assert (is_key(found[0], "k"), found[1]) == (True, 3000)


async def test_closing_ends_everything_that_waits(server: KeyServer, source_for: Open) -> None:
    source = source_for()
    server.always = Reply(fault="stall")
    await source.start()
    waiting: Awaitable[object] = asyncio.ensure_future(source.fetch("k"))
    await until(lambda: server.serving == 1)
    await source.close()
    assert await waiting is Missing.UNAVAILABLE

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
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
    hurry,
    is_key,
    jwk,
    pem,
    source_context,
    until,
)
from verifier.keys.sources.base import Missing
from verifier.keys.sources.jwks import DocumentSource

Open = Callable[..., DocumentSource]


@pytest.fixture
async def source_for(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    opened: list[DocumentSource] = []

    def source_for(**options: Any) -> DocumentSource:
        url = f"{server.url}/jwks"
        opened.append(DocumentSource(url, session, source_context(time, recorder, **options)))
        return opened[-1]

    yield source_for
    for source in opened:
        await source.close()


def publish_map(server: KeyServer, entries: dict[str, str]) -> None:
    server.replies["/jwks"] = Reply(json.dumps(entries).encode())


# Forms


async def test_the_keys_of_a_jwk_set_and_of_a_map_are_known_by_their_key_ids(
    server: KeyServer, source_for: Open
) -> None:
    server.document(jwk("a"), jwk("b"))
    source = source_for()
    assert is_key(await source.fetch("a"), "a")
    assert is_key(source.get("b"), "b")
    publish_map(server, {"a": pem("a"), "b": pem("b")})
    source = source_for()
    assert is_key(await source.fetch("a"), "a")
    assert is_key(source.get("b"), "b")
    assert len(server.requests) == 2


async def test_a_started_source_fetches_before_any_token_comes(
    server: KeyServer, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    assert source.status().state == "never-needed"
    await source.start()
    await until(lambda: source.status().state == "ready")
    assert is_key(source.get("a"), "a")


async def test_until_the_first_answer_it_is_starting_and_a_token_waits_for_that_answer(
    server: KeyServer, source_for: Open
) -> None:
    server.document(jwk("a"))
    server.replies["/jwks"].fault = "stall"
    source = source_for()
    await source.start()
    await until(lambda: server.serving == 1)
    assert (source.status().state, source.status().ready) == ("starting", False)
    waiting = asyncio.create_task(source.fetch("a"))
    server.release.set()
    assert is_key(await waiting, "a")
    assert len(server.requests) == 1


async def test_any_content_type_will_do(server: KeyServer, source_for: Open) -> None:
    server.document(jwk("a"), Content_Type="text/html; charset=latin-1")
    assert is_key(await source_for().fetch("a"), "a")


# Freshness and rotation


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, 21_600),
        ({"Cache-Control": "public, max-age=600, must-revalidate"}, 600),
        ({"Cache-Control": "max-age=0"}, 60),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 60),
        (
            {
                "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
                "Expires": "Thu, 01 Jan 2026 02:00:00 GMT",
            },
            7200,
        ),
        ({"Cache-Control": "max-age=31536000"}, 86_400),
    ],
)
async def test_a_document_is_fresh_for_as_long_as_its_server_says_within_bounds(
    server: KeyServer, source_for: Open, headers: dict[str, str], lifetime: int
) -> None:
    server.document(jwk("a"))
    server.replies["/jwks"].headers = headers
    source = source_for()
    await source.fetch("a")
    assert source.status().keys[0].expires == START + lifetime


async def test_a_document_is_refreshed_before_it_expires_and_no_request_waits(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("a"), ETag='W/"1"', Cache_Control="max-age=1000")
    source = source_for()
    await source.tick()
    time.advance(749)
    await source.tick()
    assert len(server.requests) == 1
    time.advance(151)
    server.replies["/jwks"] = Reply(status=304, fault="stall")
    refresh = asyncio.create_task(source.tick())
    await until(lambda: server.serving == 1)
    assert is_key(source.get("a"), "a")
    server.release.set()
    await refresh
    assert server.requests[1].headers["If-None-Match"] == 'W/"1"'
    assert source.status().keys[0].expires == START + 900 + 1000
    assert recorder.fetches == {("document", "ok"): 2}


async def test_not_modified_without_having_been_asked_is_an_error(
    server: KeyServer, source_for: Open
) -> None:
    server.replies["/jwks"] = Reply(status=304)
    source = source_for()
    assert await source.fetch("a") is Missing.UNAVAILABLE
    assert source.status().last_error.startswith("status 304")


async def test_a_key_that_leaves_the_document_stays_valid_for_ninety_minutes(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("old"), jwk("both"))
    source = source_for()
    await source.tick()
    server.document(jwk("both"), jwk("new"))
    time.advance(20_000)
    await source.tick()
    assert is_key(source.get("old"), "old")
    time.advance(5399)
    await source.tick()
    assert is_key(source.get("old"), "old")
    assert recorder.changes == []
    time.advance(1)
    assert source.get("old") is None
    await source.tick()
    assert recorder.changes == [frozenset({"old"})]
    assert is_key(source.get("both"), "both")


async def test_the_grace_period_is_counted_from_the_first_document_without_the_key(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("old"), jwk("both"))
    source = source_for()
    await source.tick()
    server.document(jwk("both"), Cache_Control="max-age=600")
    time.advance(20_000)
    for _ in range(9):
        await source.tick()
        time.advance(599)
        assert is_key(source.get("old"), "old")
    await source.tick()
    time.advance(9)
    assert source.get("old") is None


async def test_the_grace_period_is_an_option_and_none_ends_the_key_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("old"), jwk("both"))
    source = source_for(key_grace=0.0)
    await source.tick()
    server.document(jwk("both"))
    time.advance(20_000)
    await source.tick()
    assert source.get("old") is None
    assert recorder.changes == [frozenset({"old"})]


async def test_the_grace_period_is_not_stretched_by_a_failing_server(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("old"), jwk("both"))
    source = source_for()
    await source.tick()
    server.document(jwk("both"))
    time.advance(20_000)
    await source.tick()
    server.always = Reply(status=500)
    time.advance(5400)
    await source.tick()
    assert source.get("old") is None
    assert is_key(source.get("both"), "both")


async def test_a_key_that_is_replaced_under_its_key_id_is_replaced_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("a", "old"))
    source = source_for()
    await source.tick()
    server.document(jwk("a", "new"))
    time.advance(20_000)
    await source.tick()
    assert is_key(source.get("a"), "new")
    assert recorder.changes == [frozenset({"a"})]


@pytest.mark.parametrize(
    "entries",
    [
        [jwk("a", use="enc"), jwk("b")],
        [jwk("a", d="AAAA"), jwk("b")],
        [jwk("a", "x"), jwk("a", "y"), jwk("b")],
        [{"kty": "oct", "kid": "a", "k": "AAAA"}],
    ],
    ids=["enc", "private", "doubled", "symmetric and alone"],
)
async def test_a_key_that_becomes_untrustworthy_is_dropped_at_once(
    server: KeyServer, time: FakeTime, source_for: Open, entries: list[Any]
) -> None:
    server.document(jwk("a"), jwk("b"))
    source = source_for()
    await source.tick()
    server.document(*entries)
    time.advance(20_000)
    await source.tick()
    assert source.get("a") is None
    assert is_key(source.get("b"), "b")


async def test_a_key_that_turns_into_rubbish_has_its_grace_period(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"), jwk("b"))
    source = source_for()
    await source.tick()
    server.document(jwk("a", x="?"), jwk("b"))
    time.advance(20_000)
    await source.tick()
    assert is_key(source.get("a"), "a")


# Stale if error


FAULTS = {
    "500": Reply(status=500),
    "404": Reply(status=404),
    "204": Reply(status=204),
    "redirect": Reply(status=302, headers={"Location": "http://127.0.0.1:1/jwks"}),
    "garbage": Reply(b"<html>\xff"),
    "an error in JSON": Reply(b'{"error": "rate limited"}'),
    "no usable key": Reply(b'{"keys": [{"kty": "oct", "kid": "o", "k": "AAAA"}]}'),
    "cut off": Reply(b'{"keys": [', fault="cut off"),
    "huge": Reply(b" " * 1_100_000),
    "stall": Reply(fault="stall"),
    "stall in body": Reply(b'{"keys": [', fault="stall in body"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_known_keys_work_on_through_any_fault_for_a_day(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open, fault: str
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.always = FAULTS[fault]
    hurry(source, 0.1 if "stall" in fault else 5)
    for _ in range(5):
        time.advance(21_599)
        await source.tick()
        assert is_key(source.get("a"), "a")
    status = source.status()
    assert (status.state, status.ready, bool(status.last_error)) == ("stale", True, True)
    assert recorder.successes["document"] == START
    time.advance(21_600 + 86_400 - 5 * 21_599)
    assert source.get("a") is None
    assert recorder.changes == []
    await source.tick()
    assert recorder.changes == [frozenset({"a"})]
    assert source.status().state == "failing"
    server.always = None
    hurry(source, 5)
    time.advance(60)
    await source.tick()
    assert source.status().state == "ready"


async def test_failures_back_off_to_a_minute(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500)
    times = []
    for _ in range(400):
        seen = len(server.requests)
        await source.tick()
        if len(server.requests) > seen:
            times.append(time.passed)
        time.advance(1)
    assert times[:9] == [0, 1, 3, 7, 15, 31, 63, 123, 183]


async def test_a_refresh_for_a_token_that_fails_is_repeated_though_the_document_is_fresh(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.always = Reply(status=500)
    assert await source.fetch("b") is Missing.UNAVAILABLE
    assert source.status().state == "stale"
    server.always = None
    time.advance(1)
    await source.tick()
    assert source.status().state == "ready"


async def test_expired_document_is_requested_without_its_version(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"), ETag='"1"')
    source = source_for()
    await source.tick()
    server.always = Reply(status=500)
    time.advance(21_600 + 86_400)
    await source.tick()
    server.always = None
    time.advance(60)
    await source.tick()
    assert "If-None-Match" not in server.requests[-1].headers
    assert is_key(source.get("a"), "a")


async def test_refused_document_is_requested_without_the_old_version(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"), ETag='"1"')
    source = source_for()
    await source.tick()
    server.document({"kty": "oct", "kid": "a", "k": "AAAA"})
    time.advance(20_000)
    await source.tick()
    assert source.get("a") is None
    time.advance(60)
    await source.tick()
    assert "If-None-Match" not in server.requests[-1].headers


# Unknown key ids


async def test_rotation_is_picked_up_by_the_first_token(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.document(jwk("a"), jwk("b"))
    time.advance(1)
    assert is_key(await source.fetch("b"), "b")


async def test_two_hundred_tokens_of_a_new_key_share_one_refresh(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.document(jwk("a"), jwk("b"))
    found = await asyncio.gather(*(source.fetch("b") for _ in range(200)))
    assert all(is_key(key, "b") for key in found)
    time.advance(11)
    await source.tick()
    assert len(server.requests) == 2


async def test_unknown_key_ids_cause_one_refresh_in_ten_seconds(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    for step in range(100):
        assert await source.fetch(f"invented {step}") is Missing.UNKNOWN
        await source.tick()
        time.advance(0.99)
    assert len(server.requests) == 1 + 10
    assert recorder.lookups["document", "negative"] >= 80
    assert recorder.counts["document"] == 1


async def test_a_key_published_after_a_refresh_is_there_when_ten_seconds_are_over(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.fetch("invented")
    server.document(jwk("a"), jwk("b"))
    time.advance(1)
    assert await source.fetch("b") is Missing.UNKNOWN
    time.advance(8.9)
    await source.tick()
    assert source.get("b") is None
    time.advance(0.1)
    await source.tick()
    assert is_key(source.get("b"), "b")
    time.advance(9.9)
    assert await source.fetch("c") is Missing.UNKNOWN
    assert len(server.requests) == 2


async def test_a_token_ten_seconds_after_the_first_is_accepted_even_without_the_beat(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    assert await source.fetch("b") is Missing.UNKNOWN
    server.document(jwk("a"), jwk("b"))
    time.advance(10)
    assert is_key(await source.fetch("b"), "b")


async def test_a_token_that_joins_an_older_fetch_has_another_one_made(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"))
    server.replies["/jwks"].fault = "stall"
    source = source_for()
    first = asyncio.create_task(source.fetch("a"))
    await until(lambda: server.serving == 1)
    server.document(jwk("a"), jwk("b"))
    second = asyncio.create_task(source.fetch("b"))
    await asyncio.sleep(0)
    server.release.set()
    assert is_key(await first, "a")
    assert await second is Missing.UNKNOWN
    time.advance(10)
    await source.tick()
    assert is_key(source.get("b"), "b")


async def test_a_background_refresh_does_not_keep_a_token_from_asking(
    server: KeyServer, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.document(jwk("a"), jwk("b"))
    assert is_key(await source.fetch("b"), "b")


async def test_while_the_server_fails_unknown_keys_are_unavailable_and_nobody_waits(
    server: KeyServer, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.always = Reply(fault="stall")
    async with asyncio.timeout(2):
        assert await source.fetch("a") is Missing.UNAVAILABLE
    assert len(server.requests) == 1


async def test_a_long_outage_costs_a_new_key_ten_seconds_and_not_a_minute(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for()
    server.always = Reply(status=500)
    for _ in range(400):
        await source.tick()
        time.advance(1)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.always = None
    server.document(jwk("a"))
    time.advance(10)
    assert is_key(await source.fetch("a"), "a")


# Bounded waiting


async def test_a_request_waits_no_longer_than_the_time_out(
    server: KeyServer, recorder: Recorder, source_for: Open
) -> None:
    source = source_for(key_fetch_timeout=0.2)
    server.always = Reply(b'{"keys":', fault="stall in body")
    async with asyncio.timeout(5):
        found = await asyncio.gather(*(source.fetch(str(number)) for number in range(50)))
    assert set(found) == {Missing.UNAVAILABLE}
    await until(lambda: recorder.fetches["document", "timeout"] == 1)
    assert server.most_at_once == 1


# Nothing is trusted that is not a signing key


async def test_what_is_skipped_is_counted_each_time(
    server: KeyServer, time: FakeTime, recorder: Recorder, source_for: Open
) -> None:
    server.document(jwk("a"), jwk("e", use="enc"), {"kty": "oct", "kid": "o", "k": "c2VjcmV0"})
    source = source_for()
    for _ in range(2):
        await source.tick()
        time.advance(20_000)
    assert recorder.skips == {("document", "use"): 2, ("document", "symmetric"): 2}


async def test_what_is_skipped_is_said_once_without_material(
    server: KeyServer, time: FakeTime, source_for: Open, caplog: pytest.LogCaptureFixture
) -> None:
    server.document(jwk("a"), jwk("e", use="enc"), {"kty": "oct", "kid": "o", "k": "c2VjcmV0"})
    source = source_for()
    for _ in range(2):
        await source.tick()
        time.advance(20_000)
    assert [record.message for record in caplog.records] == ["key not used"] * 2
    assert "c2VjcmV0" not in caplog.text


async def test_a_document_of_more_than_a_thousand_keys_is_refused(
    server: KeyServer, source_for: Open
) -> None:
    server.document(*[jwk(str(number), "one") for number in range(1001)])
    source = source_for()
    assert await source.fetch("1") is Missing.UNAVAILABLE
    assert "expected at most 1000 keys, found 1001" in source.status().last_error


async def test_a_hostile_rotation_does_not_fill_the_memory(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    source = source_for(key_cache_size=150)
    for generation in range(5):
        current = {f"{generation} {number}" for number in range(100)}
        server.document(*[jwk(key_id, "one") for key_id in current])
        await source.tick()
        keys = {key.key_id for key in source.status().keys}
        assert current <= keys
        assert len(keys) == min(100 * (generation + 1), 150)
        time.advance(21_000)


# The bridge, and a replacement at reload


async def test_the_bridge_finds_a_key_by_its_hash_and_picks_up_rotation(
    server: KeyServer, source_for: Open
) -> None:
    server.document(jwk("a"))
    source = source_for()
    await source.tick()
    server.document(jwk("a"), jwk("b"))
    for key_id in ("a", "b"):
        found = await source.find_by_digest(asap_path(key_id)[1:-4])
        assert found is not None
        assert (is_key(found[0], key_id), found[1]) == (True, 21_600)
    assert await source.find_by_digest("0" * 64) is None
    assert len(server.requests) == 2


async def test_a_replacement_goes_on_with_the_keys_and_the_version_of_its_predecessor(
    server: KeyServer, time: FakeTime, source_for: Open
) -> None:
    server.document(jwk("a"), ETag='"1"')
    old, new = source_for(), source_for()
    await old.tick()
    new.copy_from(old)
    await old.close()
    time.advance(20_000)
    await new.tick()
    assert is_key(new.get("a"), "a")
    assert server.requests[1].headers["If-None-Match"] == '"1"'

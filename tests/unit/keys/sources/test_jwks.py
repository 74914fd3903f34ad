from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from tests.support.key_server import (
    START,
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
from verifier.keys.sources.base import Missing
from verifier.keys.sources.jwks import DocumentSource

Open = Callable[..., DocumentSource]


@pytest.fixture
async def open_source(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime, recorder: Recorder
) -> AsyncIterator[Open]:
    opened: list[DocumentSource] = []

    def open_source(**options: Any) -> DocumentSource:
        url = f"{server.url}/jwks"
        opened.append(DocumentSource(url, session, source_context(time, recorder, **options)))
        return opened[-1]

    yield open_source
    for source in opened:
        await source.close()


def ed_jwk(key_id: str) -> dict[str, Any]:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": key_id}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = vars(record)["fields"]
    return found


def publish_map(server: KeyServer, entries: dict[str, str]) -> None:
    server.replies["/jwks"] = Reply(json.dumps(entries).encode())


# Formats


async def test_jwk_set_and_certificate_map_are_parsed(server: KeyServer, open_source: Open) -> None:
    server.publish_document(jwk("a"), jwk("b"))
    source = open_source()
    assert is_key(await source.fetch("a"), "a")
    assert is_key(source.get("b"), "b")
    publish_map(server, {"a": pem("a"), "b": pem("b")})
    source = open_source()
    assert is_key(await source.fetch("a"), "a")
    assert is_key(source.get("b"), "b")
    assert len(server.requests) == 2


async def test_started_source_fetches_before_the_first_token(
    server: KeyServer, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    assert source.status().state == "never-needed"
    await source.start()
    await until(lambda: source.status().state == "ready")
    assert is_key(source.get("a"), "a")


async def test_token_joins_the_first_fetch(server: KeyServer, open_source: Open) -> None:
    server.publish_document(jwk("a"))
    server.replies["/jwks"].fault = "stall"
    source = open_source()
    await source.start()
    await until(lambda: server.in_progress == 1)
    assert (source.status().state, source.status().ready) == ("starting", False)
    waiting = asyncio.create_task(source.fetch("a"))
    server.release.set()
    assert is_key(await waiting, "a")
    assert len(server.requests) == 1


async def test_content_type_is_ignored(server: KeyServer, open_source: Open) -> None:
    server.publish_document(jwk("a"), Content_Type="text/html; charset=latin-1")
    assert is_key(await open_source().fetch("a"), "a")


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
async def test_freshness_is_stated_by_the_server_within_limits(
    server: KeyServer, open_source: Open, headers: dict[str, str], lifetime: int
) -> None:
    server.publish_document(jwk("a"))
    server.replies["/jwks"].headers = headers
    source = open_source()
    await source.fetch("a")
    assert source.status().keys[0].expires == START + lifetime


async def test_cached_keys_are_used_during_a_refresh(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("a"), ETag='W/"1"', Cache_Control="max-age=1000")
    source = open_source()
    await source.tick()
    time.advance(749)
    await source.tick()
    assert len(server.requests) == 1
    time.advance(151)
    server.replies["/jwks"] = Reply(status=304, fault="stall")
    refresh = asyncio.create_task(source.tick())
    await until(lambda: server.in_progress == 1)
    assert is_key(source.get("a"), "a")
    server.release.set()
    await refresh
    assert server.requests[1].headers["If-None-Match"] == 'W/"1"'
    assert source.status().keys[0].expires == START + 900 + 1000
    assert recorder.fetches == {("document", "ok"): 2}


async def test_unexpected_304_is_an_error(server: KeyServer, open_source: Open) -> None:
    server.replies["/jwks"] = Reply(status=304)
    source = open_source()
    assert await source.fetch("a") is Missing.UNAVAILABLE
    assert source.status().last_error.startswith("status 304")


async def test_withdrawn_key_is_used_for_ninety_minutes(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("old"), jwk("both"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("both"), jwk("new"))
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


async def test_grace_period_starts_when_the_key_is_withdrawn(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("old"), jwk("both"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("both"), Cache_Control="max-age=600")
    time.advance(20_000)
    for _ in range(9):
        await source.tick()
        time.advance(599)
        assert is_key(source.get("old"), "old")
    await source.tick()
    time.advance(9)
    assert source.get("old") is None


async def test_grace_period_of_zero_ends_the_key_at_once(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("old"), jwk("both"))
    source = open_source(key_grace=0.0)
    await source.tick()
    server.publish_document(jwk("both"))
    time.advance(20_000)
    await source.tick()
    assert source.get("old") is None
    assert recorder.changes == [frozenset({"old"})]


async def test_failing_server_does_not_extend_the_grace_period(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("old"), jwk("both"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("both"))
    time.advance(20_000)
    await source.tick()
    server.reply_to_all = Reply(status=500)
    time.advance(5400)
    await source.tick()
    assert source.get("old") is None
    assert is_key(source.get("both"), "both")


async def test_key_replaced_under_same_key_id_is_used(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("a", "old"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a", "new"))
    time.advance(20_000)
    await source.tick()
    assert is_key(source.get("a"), "new")
    assert recorder.changes == [frozenset({"a"})]


@pytest.mark.parametrize(
    "entries",
    [
        [jwk("a", use="enc"), jwk("b")],
        [jwk("a", d="AAAA"), jwk("b")],
        [jwk("a", "a"), jwk("a", "a", d="AAAA"), jwk("b")],
        [jwk("a", "x"), jwk("a", "y"), jwk("a", d="AAAA"), jwk("b")],
        [{"kty": "oct", "kid": "a", "k": "AAAA"}],
    ],
    ids=["enc", "private", "private again", "private beside two", "symmetric and alone"],
)
async def test_key_that_becomes_untrustworthy_is_removed_at_once(
    server: KeyServer, time: FakeTime, open_source: Open, entries: list[Any]
) -> None:
    server.publish_document(jwk("a"), jwk("b"))
    source = open_source()
    await source.tick()
    server.publish_document(*entries)
    time.advance(20_000)
    await source.tick()
    assert source.get("a") is None
    assert is_key(source.get("b"), "b")


CONTESTED: dict[str, list[Any]] = {
    "malformed": [jwk("a", x="?"), jwk("b")],
    "two keys": [jwk("a"), jwk("a", "new"), jwk("b")],
    "two new keys": [jwk("a", "one"), jwk("a", "two"), jwk("b")],
    "another algorithm beside": [jwk("a"), jwk("a", "new"), ed_jwk("a"), jwk("b")],
}


@pytest.mark.parametrize("entries", CONTESTED.values(), ids=CONTESTED)
@pytest.mark.parametrize("not_modified", [False, True])
async def test_key_in_use_keeps_its_grace_while_its_entry_is_contested(
    server: KeyServer,
    time: FakeTime,
    recorder: Recorder,
    open_source: Open,
    entries: list[Any],
    *,
    not_modified: bool,
) -> None:
    server.publish_document(jwk("a"), jwk("b"))
    source, newcomer = open_source(), open_source()
    await source.tick()
    server.publish_document(*entries, ETag='"2"')
    time.advance(20_000)
    await source.tick()
    if not_modified:
        server.replies["/jwks"] = Reply(status=304)
    for _ in range(4):
        time.advance(21_599)
        await source.tick()
        assert is_key(source.get("a"), "a")
    # Its last confirmation gave it six hours, and a day (key_stale_grace) from then on.
    time.advance(21_600 + 86_400 - 20_000 - 4 * 21_599 - 1)
    await source.tick()
    assert is_key(source.get("a"), "a")
    assert source.status().state == "stale"
    time.advance(1)
    assert source.get("a") is None
    await source.tick()
    assert recorder.changes == [frozenset({"a"})]
    assert is_key(source.get("b"), "b")
    server.publish_document(*entries)
    await newcomer.tick()
    found = newcomer.get("a")
    assert found is None or "ES256" not in {name for key in found.all for name in key.algorithms}


async def test_contested_key_is_confirmed_by_its_own_entry(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    for entries in ([jwk("a", "x"), jwk("a", "y"), jwk("b")], [jwk("a"), jwk("b")]):
        server.publish_document(*entries)
        time.advance(20_000)
        await source.tick()
    time.advance(21_599)
    assert source.status().state == "ready"
    assert is_key(source.get("a"), "a")


async def test_ambiguous_set_of_one_key_is_a_failure_that_keeps_the_key(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a"), jwk("a", "new"))
    time.advance(20_000)
    await source.tick()
    assert is_key(source.get("a"), "a")
    assert "2 different keys have this kid, for ES256" in source.status().last_error
    assert [entry.reason for entry in source.status().skipped] == ["duplicate-key-id"] * 2


async def test_key_in_another_form_is_the_same_key(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    for entries in ([jwk("a"), jwk("a", use="enc")], [jwk("a", alg="", d=None)], [jwk("a")] * 2):
        server.publish_document(*entries)
        time.advance(20_000)
        await source.tick()
        assert is_key(source.get("a"), "a")
    assert recorder.changes == []


# Before there is a key


@pytest.mark.parametrize("body", [b'{"keys": []}', b'{"keys": null}', b"{}", b"[]"])
async def test_empty_document_is_a_failure_until_there_was_a_key(
    server: KeyServer, time: FakeTime, open_source: Open, body: bytes
) -> None:
    server.replies["/jwks"] = Reply(body)
    source = open_source()
    await source.tick()
    status = source.status()
    assert (status.state, status.ready) == ("failing", False)
    assert status.last_error == "the response cannot be used: it has no keys"
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.publish_document(jwk("a"))
    time.advance(1)
    await source.tick()
    assert (source.status().state, source.status().ready) == ("ready", True)
    server.replies["/jwks"] = Reply(body)
    time.advance(20_000)
    await source.tick()
    assert (source.status().state, source.status().ready) == ("ready", True)
    assert is_key(source.get("a"), "a")
    assert await source.fetch("b") is Missing.UNKNOWN


async def test_empty_document_beside_another_source_is_no_failure(
    server: KeyServer, session: aiohttp.ClientSession, time: FakeTime
) -> None:
    server.publish_document()
    source = DocumentSource(f"{server.url}/jwks", session, source_context(time), alone=False)
    assert await source.fetch("a") is Missing.UNKNOWN
    assert source.status().ready
    await source.close()


async def test_discovery_document_names_the_right_address(
    server: KeyServer, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies["/jwks"] = Reply(b'{"jwks_uri": "https://sso.example.org/certs"}')
    source = open_source()
    await source.tick()
    assert "to its jwks_uri, 'https://sso.example.org/certs'" in source.status().last_error
    assert [record.message for record in caplog.records] == ["keys cannot be fetched"]


# Faults of the server


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


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_cached_keys_are_used_for_a_day_of_faults(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open, fault: str
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.reply_to_all = FAULTS[fault]
    set_fetch_timeout(source, 0.1 if "stall" in fault else 5)
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
    server.reply_to_all = None
    set_fetch_timeout(source, 5)
    time.advance(60)
    await source.tick()
    assert source.status().state == "ready"


async def test_pauses_double_up_to_a_minute(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500)
    times = []
    for _ in range(400):
        seen = len(server.requests)
        await source.tick()
        if len(server.requests) > seen:
            times.append(time.elapsed)
        time.advance(1)
    assert times[:9] == [0, 1, 3, 7, 15, 31, 63, 123, 183]


async def test_failed_fetch_is_repeated_while_the_document_is_fresh(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.reply_to_all = Reply(status=500)
    assert await source.fetch("b") is Missing.UNAVAILABLE
    assert source.status().state == "stale"
    server.reply_to_all = None
    time.advance(1)
    await source.tick()
    assert source.status().state == "ready"


async def test_expired_document_is_requested_without_its_version(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"), ETag='"1"')
    source = open_source()
    await source.tick()
    server.reply_to_all = Reply(status=500)
    time.advance(21_600 + 86_400)
    await source.tick()
    server.reply_to_all = None
    time.advance(60)
    await source.tick()
    assert "If-None-Match" not in server.requests[-1].headers
    assert is_key(source.get("a"), "a")


async def test_refused_document_is_requested_without_the_old_version(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"), ETag='"1"')
    source = open_source()
    await source.tick()
    server.publish_document({"kty": "oct", "kid": "a", "k": "AAAA"})
    time.advance(20_000)
    await source.tick()
    assert source.get("a") is None
    time.advance(60)
    await source.tick()
    assert "If-None-Match" not in server.requests[-1].headers


# Unknown key ids


async def test_first_token_of_a_new_key_fetches_the_document(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a"), jwk("b"))
    time.advance(1)
    assert is_key(await source.fetch("b"), "b")


async def test_two_hundred_tokens_share_one_fetch(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a"), jwk("b"))
    found = await asyncio.gather(*(source.fetch("b") for _ in range(200)))
    assert all(is_key(key, "b") for key in found)
    time.advance(11)
    await source.tick()
    assert len(server.requests) == 2


async def test_unknown_key_ids_cause_one_fetch_in_ten_seconds(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    for step in range(100):
        assert await source.fetch(f"invented {step}") is Missing.UNKNOWN
        await source.tick()
        time.advance(0.99)
    assert len(server.requests) == 1 + 10
    assert recorder.lookups["document", "negative"] >= 80
    assert recorder.counts["document"] == 1


async def test_early_token_has_the_document_fetched_after_ten_seconds(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.fetch("invented")
    server.publish_document(jwk("a"), jwk("b"))
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


async def test_token_fetches_after_ten_seconds_without_background_work(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    assert await source.fetch("b") is Missing.UNKNOWN
    server.publish_document(jwk("a"), jwk("b"))
    time.advance(10)
    assert is_key(await source.fetch("b"), "b")


async def test_token_that_joins_an_older_fetch_causes_another(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    server.replies["/jwks"].fault = "stall"
    source = open_source()
    first = asyncio.create_task(source.fetch("a"))
    await until(lambda: server.in_progress == 1)
    server.publish_document(jwk("a"), jwk("b"))
    second = asyncio.create_task(source.fetch("b"))
    await asyncio.sleep(0)
    server.release.set()
    assert is_key(await first, "a")
    assert await second is Missing.UNKNOWN
    time.advance(10)
    await source.tick()
    assert is_key(source.get("b"), "b")


async def test_background_refresh_does_not_delay_a_lookup(
    server: KeyServer, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a"), jwk("b"))
    assert is_key(await source.fetch("b"), "b")


async def test_unknown_keys_are_unavailable_while_the_server_fails(
    server: KeyServer, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.reply_to_all = Reply(fault="stall")
    async with asyncio.timeout(2):
        assert await source.fetch("a") is Missing.UNAVAILABLE
    assert len(server.requests) == 1


async def test_new_key_is_accepted_ten_seconds_after_an_outage(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source()
    server.reply_to_all = Reply(status=500)
    for _ in range(400):
        await source.tick()
        time.advance(1)
    assert await source.fetch("a") is Missing.UNAVAILABLE
    server.reply_to_all = None
    server.publish_document(jwk("a"))
    time.advance(10)
    assert is_key(await source.fetch("a"), "a")


# Waiting


async def test_request_waits_at_most_for_the_timeout(
    server: KeyServer, recorder: Recorder, open_source: Open
) -> None:
    source = open_source(key_fetch_timeout=1.5)
    server.reply_to_all = Reply(b'{"keys":', fault="stall in body")
    async with asyncio.timeout(30):
        found = await asyncio.gather(*(source.fetch(str(number)) for number in range(50)))
    assert set(found) == {Missing.UNAVAILABLE}
    await until(lambda: recorder.fetches["document", "timeout"] == 1)
    assert server.most_parallel == 1


# Entries that are not used


async def test_skipped_keys_are_counted_each_time(
    server: KeyServer, time: FakeTime, recorder: Recorder, open_source: Open
) -> None:
    server.publish_document(
        jwk("a"), jwk("e", use="enc"), {"kty": "oct", "kid": "o", "k": "c2VjcmV0"}
    )
    source = open_source()
    for _ in range(2):
        await source.tick()
        time.advance(20_000)
    assert recorder.skips == {("document", "use"): 2, ("document", "symmetric"): 2}
    assert recorder.skipped == {"document": {"use": 1, "symmetric": 1}}
    server.publish_document(jwk("a"))
    await source.tick()
    assert recorder.skipped == {"document": {}}


async def test_findings_are_logged_once_without_key_material(
    server: KeyServer, time: FakeTime, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.publish_document(
        jwk("a", use="Sig"), jwk("e", use="enc"), {"kty": "oct", "kid": "o", "k": "c2VjcmV0"}
    )
    source = open_source()
    for _ in range(2):
        await source.tick()
        time.advance(20_000)
    events = ["key not used", "key not used", "irregular key used"]
    assert [record.message for record in caplog.records] == events
    assert "c2VjcmV0" not in caplog.text
    assert [fields(record)["error"] for record in caplog.records[:2]] == [
        "expected use to be sig, or absent, found 'enc'",
        "expected a public key, found a symmetric one",
    ]
    assert fields(caplog.records[2])["form"] == "use in another case"
    assert [key.irregular for key in source.status().keys] == ["use in another case"]
    server.publish_document(jwk("a"))
    await source.tick()
    assert source.status().skipped == ()


async def test_log_of_findings_is_bounded(
    server: KeyServer, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.publish_document(
        *(jwk(f"{number}" * 100, use="enc") for number in range(300)),
        *(jwk(f"i{number}", use="SIG") for number in range(300)),
        jwk("private", d="AAAA"),
    )
    source = open_source()
    await source.tick()
    assert fields(caplog.records[0])["key_id"] == "private"
    counts = Counter(record.message for record in caplog.records)
    assert counts == {
        "private key published": 1,
        "key not used": 19,
        "further keys not used": 1,
        "irregular key used": 20,
        "further irregular keys used": 1,
    }
    assert all(len(str(fields(record))) < 600 for record in caplog.records)
    assert len(source.status().skipped) == 301


async def test_document_of_more_than_a_thousand_keys_is_refused(
    server: KeyServer, open_source: Open
) -> None:
    server.publish_document(*[jwk(str(number), "one") for number in range(1001)])
    source = open_source()
    assert await source.fetch("1") is Missing.UNAVAILABLE
    assert "expected at most 1000 keys, found 1001" in source.status().last_error


async def test_constant_rotation_does_not_fill_the_memory(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    source = open_source(key_cache_size=150)
    for generation in range(5):
        current = {f"{generation} {number}" for number in range(100)}
        server.publish_document(*[jwk(key_id, "one") for key_id in current])
        await source.tick()
        keys = {key.key_id for key in source.status().keys}
        assert current <= keys
        assert len(keys) == min(100 * (generation + 1), 150)
        time.advance(21_000)


# Lookup by hash, and reload


async def test_key_is_found_by_its_hash_after_rotation(
    server: KeyServer, open_source: Open
) -> None:
    server.publish_document(jwk("a"))
    source = open_source()
    await source.tick()
    server.publish_document(jwk("a"), jwk("b"))
    for key_id in ("a", "b"):
        found = await source.find_by_digest(asap_path(key_id)[1:-4])
        assert found is not None
        assert (is_key(found[0], key_id), found[1]) == (True, 21_600)
    assert await source.find_by_digest("0" * 64) is None
    assert len(server.requests) == 2


async def test_replacement_takes_over_keys_and_etag(
    server: KeyServer, time: FakeTime, open_source: Open
) -> None:
    server.publish_document(jwk("a"), ETag='"1"')
    old, new = open_source(), open_source()
    await old.tick()
    new.copy_from(old)
    await old.close()
    time.advance(20_000)
    await new.tick()
    assert is_key(new.get("a"), "a")
    assert server.requests[1].headers["If-None-Match"] == '"1"'

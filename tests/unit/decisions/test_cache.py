from __future__ import annotations

import gc
from typing import Any

from tests.support.rules import NOW, ask, mint
from verifier import Allow, Decision, DenialCode, Deny
from verifier.decisions.cache import ABSENT, CachedResponse, DecisionCache, cache_key

KEY = b"key"


def allow(**claims: Any) -> Allow:
    decision = ask(mint(**claims))
    assert isinstance(decision, Allow)
    return decision


def put(
    cache: DecisionCache, decision: Decision, now: float, key: bytes = KEY, body: bytes = b""
) -> None:
    response = CachedResponse(cache.valid_until(decision, now), None, b"", body, 0, b"")
    cache.put(key, response, now)


def test_an_allow_is_valid_for_the_ttl_or_the_token() -> None:
    cache = DecisionCache(ttl=30)
    put(cache, allow(exp=NOW + 5), NOW)
    assert cache.get(KEY, NOW + 4.9)
    assert cache.get(KEY, NOW + 5) is None
    put(cache, allow(exp=...), NOW)
    assert cache.get(KEY, NOW + 29)
    assert cache.get(KEY, NOW + 30) is None
    assert len(cache) == 0


def test_an_entry_from_a_clock_ahead_is_dropped() -> None:
    cache = DecisionCache(ttl=30)
    day = 86_400
    put(cache, Deny(DenialCode.TOKEN_EXPIRED), NOW + day)
    assert cache.get(KEY, NOW + day)
    assert cache.get(KEY, NOW) is None


def test_a_denial_is_valid_until_time_changes_it() -> None:
    cache = DecisionCache(ttl=30)
    put(cache, ask(mint(nbf=NOW + 3)), NOW)
    assert cache.get(KEY, NOW + 2)
    assert cache.get(KEY, NOW + 3) is None


def test_denials_for_missing_keys_are_not_cached() -> None:
    cache = DecisionCache(ttl=30)
    for code in (DenialCode.KEY_UNKNOWN, DenialCode.KEYS_UNAVAILABLE):
        put(cache, Deny(code), NOW)
    assert len(cache) == 0


def test_without_a_ttl_nothing_is_cached() -> None:
    cache = DecisionCache(ttl=0)
    put(cache, allow(), NOW)
    assert len(cache) == 0


def test_the_oldest_entry_is_dropped_first() -> None:
    cache = DecisionCache(ttl=30, size=2)
    for name in (b"a", b"b", b"c"):
        put(cache, allow(), NOW, name)
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"c")] == [False, True, True]


def test_the_total_length_of_responses_is_bounded() -> None:
    cache = DecisionCache(ttl=30, size=10)
    for name, length in ((b"a", 6_000), (b"b", 4_000), (b"a", 5_000), (b"c", 10_241)):
        put(cache, allow(), NOW, name, bytes(length))
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"c")] == [True, True, False]
    put(cache, allow(), NOW, b"d", bytes(6_000))
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"d")] == [False, False, True]
    cache.clear()
    put(cache, allow(), NOW, b"e", bytes(10_000))
    assert cache.get(b"e", NOW)


def test_clearing_changes_the_generation() -> None:
    cache = DecisionCache(ttl=30)
    generation = cache.generation
    put(cache, allow(), NOW)
    cache.clear()
    assert (len(cache), cache.generation) == (0, generation + 1)


def test_the_collector_does_not_track_entries() -> None:
    cache = DecisionCache(ttl=30)
    put(cache, allow(), NOW)
    entry = cache._entries[KEY]
    gc.collect()
    assert not gc.is_tracked(entry)
    response = cache.get(KEY, NOW)
    assert isinstance(response, CachedResponse)
    assert response == entry


def test_different_parts_give_different_keys() -> None:
    questions = [
        [b"auth", b"a", b"b"],
        [b"auth", b"ab", b""],
        [b"auth", b"a", ABSENT],
        [b"auth", ABSENT, b"a"],
        [b"auth", b"", b"a"],
        [b"auth", b"b", b"a"],
    ]
    keys = {cache_key(each) for each in questions}
    assert len(keys) == len(questions)
    assert cache_key([b"auth", b"a", b"b"]) in keys

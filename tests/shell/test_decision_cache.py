from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.test_rules import NOW, ROOM, ask, mint
from verifier import AccessRequest, Allow, DenialCode, Deny
from verifier.shell.decision_cache import DecisionCache, cache_key

KEY = b"key"


def allow(**claims: Any) -> Allow:
    decision = ask(mint(**claims))
    assert isinstance(decision, Allow)
    return decision


def test_an_allow_is_kept_for_the_ttl_and_no_longer_than_the_token() -> None:
    cache = DecisionCache(ttl=30)
    cache.put(KEY, allow(exp=NOW + 5), NOW)
    assert cache.get(KEY, NOW + 4.9)
    assert cache.get(KEY, NOW + 5) is None
    cache.put(KEY, allow(exp=...), NOW)
    assert cache.get(KEY, NOW + 29)
    assert cache.get(KEY, NOW + 30) is None
    assert len(cache) == 0


def test_a_clock_that_was_ahead_for_a_moment_does_not_have_the_last_word() -> None:
    cache = DecisionCache(ttl=30)
    day = 86_400
    cache.put(KEY, Deny(DenialCode.TOKEN_EXPIRED), NOW + day)
    assert cache.get(KEY, NOW + day)
    assert cache.get(KEY, NOW) is None


def test_a_denial_that_time_turns_is_kept_no_longer() -> None:
    cache = DecisionCache(ttl=30)
    cache.put(KEY, ask(mint(nbf=NOW + 3)), NOW)
    assert cache.get(KEY, NOW + 2)
    assert cache.get(KEY, NOW + 3) is None


def test_what_a_key_source_may_change_at_any_moment_is_not_kept() -> None:
    cache = DecisionCache(ttl=30)
    for code in (DenialCode.KEY_UNKNOWN, DenialCode.KEYS_UNAVAILABLE):
        cache.put(KEY, Deny(code), NOW)
    assert len(cache) == 0


def test_without_a_ttl_nothing_is_kept() -> None:
    cache = DecisionCache(ttl=0)
    cache.put(KEY, allow(), NOW)
    assert len(cache) == 0


def test_the_oldest_goes_first() -> None:
    cache = DecisionCache(ttl=30, size=2)
    for name in (b"a", b"b", b"c"):
        cache.put(name, allow(), NOW)
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"c")] == [False, True, True]


def test_the_length_of_all_tokens_together_is_bounded() -> None:
    cache = DecisionCache(ttl=30, token_bytes=100)
    for name, weight in ((b"a", 60), (b"b", 40), (b"a", 50), (b"c", 101)):
        cache.put(name, allow(), NOW, weight)
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"c")] == [True, True, False]
    cache.put(b"d", allow(), NOW, 60)
    assert [bool(cache.get(name, NOW)) for name in (b"a", b"b", b"d")] == [False, False, True]
    cache.clear()
    cache.put(b"e", allow(), NOW, 100)
    assert cache.get(b"e", NOW)


def test_clearing_forgets_also_what_is_being_judged() -> None:
    cache = DecisionCache(ttl=30)
    generation = cache.generation
    cache.put(KEY, allow(), NOW)
    cache.clear()
    assert (len(cache), cache.generation) == (0, generation + 1)


def test_questions_that_differ_anywhere_have_keys_that_differ() -> None:
    question = AccessRequest("a.b.c", ROOM)
    others = [
        replace(question, token="a.b.d"),
        replace(question, token=None),
        replace(question, token="None"),
        replace(question, token="a.b.c', '" + ROOM),
        replace(question, room_jid="x" + ROOM),
        replace(question, room_jid=None),
        replace(question, query_prefix=""),
        replace(question, query_prefix="acme"),
        replace(question, room_requires_authentication=True),
        replace(question, room_exists=False),
        replace(question, context_required=True),
        replace(question, token="\udcff"),
    ]
    keys = [cache_key(each) for each in [question, *others]]
    assert len(set(keys)) == len(keys)
    assert cache_key(AccessRequest("a.b.c", ROOM)) == keys[0]

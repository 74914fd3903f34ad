from __future__ import annotations

from dataclasses import replace

import pytest

from verifier import Policy
from verifier.rooms.patterns import PatternRefusal, count_quantifiers
from verifier.rules.room import match_room_claim

POLICY = Policy()


@pytest.mark.parametrize(
    ("room", "pattern", "matched"),
    [
        ("team-blue", "^team%-%a+$", "team-blue"),
        ("standup", ".*", "standup"),
        ("standup", "stand", "stand"),
        ("standup", "^(stand)up$", "stand"),
        ("standup", "other", None),
        ("%d0%bf%d1%80", "^[%%%x]+$", "%d0%bf%d1%80"),
        ("é", "^..$", "é"),
        ("é", "^.", "\udcc3"),
        # A position is a number, which no room is called.
        ("1", "()", ""),
        ("1", "^(1)()", ""),
    ],
)
def test_a_pattern_gives_what_string_match_gives(
    room: str, pattern: str, matched: str | None
) -> None:
    assert match_room_claim(room, pattern, POLICY) == matched


@pytest.mark.parametrize(
    ("room", "pattern", "reason"),
    [
        ("a" * 129, ".*", "Room name is too long to match against the room claim"),
        ("é" * 65, ".*", "Room name is too long to match against the room claim"),
        ("a", "a*a*a*a*", "Room claim pattern is too complex"),
        ("a", "a-b-c-d-", "Room claim pattern is too complex"),
        ("[xxa", "%b[x.-.-.-.-.-a", "Room claim pattern is too complex"),
        ("a", "[", "Room claim is not a valid Lua pattern"),
        ("a", "%", "Room claim is not a valid Lua pattern"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_upstreams_words(
    room: str, pattern: str, reason: str
) -> None:
    refusal = match_room_claim(room, pattern, POLICY)
    assert isinstance(refusal, PatternRefusal)
    assert refusal.reason == reason


def test_patterns_can_be_switched_off() -> None:
    refusal = match_room_claim("a", "a", replace(POLICY, token_regex_enabled=False))
    assert isinstance(refusal, PatternRefusal)
    assert refusal.reason == "Room claim patterns are not enabled"


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        (b"", 0),
        (b"standup", 0),
        (b"^-a", 0),
        (b"a*b+c-d?", 4),
        (b"a**", 1),
        (b"%*%+%-%?", 0),
        (b"%a+", 1),
        (b"[a*b+]", 0),
        (b"[]*]+", 1),
        (b"[^]*]+", 1),
        (b"[%]*]+", 1),
        (b"(a)*", 0),
        (b"()-", 0),
        (b"%b()+", 0),
        (b"%b[x.-", 1),
        (b"%f[a-z]x+", 1),
        (b"(a)%1*", 0),
        (b"[a-", 0),
    ],
)
def test_the_items_that_repeat_are_counted_as_lua_reads_them(pattern: bytes, count: int) -> None:
    assert count_quantifiers(pattern) == count

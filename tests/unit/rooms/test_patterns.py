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
        # A position capture is a number, and no room has a number as its name.
        ("1", "()", ""),
        ("1", "^(1)()", ""),
    ],
)
def test_pattern_returns_what_string_match_returns(
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
def test_refusals_have_upstreams_words(room: str, pattern: str, reason: str) -> None:
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
def test_quantifiers_are_counted_as_lua_reads_them(pattern: bytes, count: int) -> None:
    assert count_quantifiers(pattern) == count

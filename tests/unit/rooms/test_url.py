"""Targets: their limits, and targets without their tokens."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rooms.url import parse_target, without_tokens

_LONGEST: Final = 4_096


def cleaned(target: str) -> str:
    parsed = parse_target(target)
    assert parsed is not None
    result = without_tokens(parsed, _LONGEST)
    assert result is not None
    return result


def test_only_tokens_are_removed_from_a_target() -> None:
    assert cleaned("/a/b?jwt=T") == "/a/b"
    assert cleaned("/a?x=1&jwt=T&y=2&token=T&z") == "/a?x=1&y=2&z"
    assert cleaned("/a?%6awt=T&tok%65n=T&jwtx=1&JWT=2") == "/a?jwtx=1&JWT=2"
    assert cleaned("/a?jwt&x=%26") == "/a?x=%26"
    assert cleaned("/a") == "/a"


def test_cleaned_target_never_names_another_host() -> None:
    assert cleaned("//evil.example?jwt=T") == "/evil.example"
    assert cleaned("///evil.example") == "/evil.example"


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_cleaned_target_is_printable_ascii_after_one_slash(text: str) -> None:
    result = cleaned(f"/{text}")
    assert result.isascii()
    assert result.isprintable()
    assert " " not in result
    assert result.startswith("/")
    assert not result.startswith("//")


def test_token_does_not_count_for_the_longest_result() -> None:
    target = parse_target(f"/a?jwt={'t' * 9_000}&x=1")
    assert target is not None
    assert without_tokens(target, 6) == "/a?x=1"
    assert without_tokens(target, 5) is None


@pytest.mark.parametrize(
    ("query", "ambiguous"),
    [
        ("&".join(["a=b"] * 127) + "&room=standup", False),
        ("&".join(["a=b"] * 128) + "&room=standup", True),
        ("&" * 127, False),
        ("&" * 128, True),
        ("&" * 16_000, True),
        ("%72oom%3d&" * 1_500, True),
    ],
)
def test_query_of_more_than_128_parameters_is_ambiguous(query: str, ambiguous: bool) -> None:
    target = parse_target(f"/http-bind?{query}")
    assert target is not None
    assert target.ambiguous is ambiguous
    assert target.query == query


@pytest.mark.parametrize(
    ("path", "names_room"),
    [
        ("/" + "a" * 1_023, True),
        ("/" + "a" * 1_024, False),
        ("/" + "%61" * 1_023, True),
        ("/" + "%61" * 1_024, False),
        ("/acme/" + "%61" * 1_023, True),
        ("/" + "%C3%A9" * 170, True),
        ("/" + "é" * 170, True),
        ("/" + "é" * 171, False),
        ("/" + "é" * 8_000, False),
        ("/" + "%E1%84%92%E1%85%A1%E1%86%AB" * 113, True),  # three letters become one
        ("/" + "%EF%B7%BA" * 9, True),  # one letter becomes eighteen
        ("/" + "%EF%B7%BA" * 341, False),
        ("/a" + "%CC%81" * 30, True),
        ("/a" + "%CC%81" * 31, False),
        ("/a" + "%cc%96%cc%81" * 250, False),
        ("/" + ":" * 3_069 + "a", False),
        ("/" + ":" * 3_068 + "a", True),
        ("/a" * 16, False),
        ("/conference-request/v1" + "/a" * 14 + "?room=a", True),
        ("/conference-request/v1" + "/a" * 15 + "?room=a", False),
        ("/http-bind?room=" + "%61" * 1_023, True),
        ("/http-bind?room=" + "%2561" * 1_023, True),
        ("/http-bind?room=" + "a" * 1_024, False),
        ("/http-bind?room=" + "é" * 8_000, False),
        ("/http-bind?room=" + "%" * 8_000, False),
    ],
)
def test_room_has_at_most_1023_bytes(path: str, names_room: bool) -> None:
    target = parse_target(path)
    assert target is not None
    assert (target.address is not None) is names_room

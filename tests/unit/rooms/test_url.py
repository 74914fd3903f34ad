"""Targets without their tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verifier.rooms.url import parse_target, without_tokens


def cleaned(target: str) -> str:
    parsed = parse_target(target)
    assert parsed is not None
    return without_tokens(parsed)


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

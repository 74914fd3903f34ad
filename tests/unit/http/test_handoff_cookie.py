from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.http.handoff_cookie import (
    LONGEST_SECONDS,
    NAME,
    CookieScope,
    HandoffCookie,
    cookie_name,
    cookie_value,
    derive_key,
    new_browser_id,
    read_cookie,
    time_made,
)
from verifier.tokens.marks import TokenMarks

SECRET = b"a-secret-of-more-than-thirty-two-bytes"
KEY = derive_key(SECRET)
SCOPE = CookieScope("meet.example.org", "acme", "standup")
NOW = 1_800_000_000
COOKIE = HandoffCookie(NOW + 60, NOW, TokenMarks(NOW - 5, frozenset({1, 2**48 - 1})))
VALUE = cookie_value(KEY, SCOPE, COOKIE)

BROWSER = new_browser_id(bytes(range(16)))
SINGLE_USE = replace(COOKIE, browser_id=BROWSER, token_id="0a" * 32)

OTHERS = [
    replace(SCOPE, host="meet.example.com"),
    replace(SCOPE, tenant="other"),
    replace(SCOPE, tenant=None),
    replace(SCOPE, tenant=""),
    replace(SCOPE, room="retro"),
    CookieScope("meet.example.org", "standup", "acme"),
    CookieScope("meet.example.org", None, "acme/standup"),
    CookieScope("meet.example.orgacme", None, "standup"),
]


@pytest.mark.parametrize(
    "cookie",
    [
        COOKIE,
        SINGLE_USE,
        replace(COOKIE, marks=TokenMarks(None, frozenset())),
        replace(COOKIE, marks=TokenMarks(0, frozenset(range(0, 2**48, 2**45)))),
        replace(SINGLE_USE, marks=TokenMarks(253_402_300_799, frozenset(range(10)))),
    ],
)
def test_a_cookie_is_read_as_it_was_written(cookie: HandoffCookie) -> None:
    value = cookie_value(KEY, SCOPE, cookie)
    assert read_cookie(value, KEY, SCOPE) == cookie
    assert time_made(value) == NOW
    assert len(value) <= 230


@pytest.mark.parametrize("other", OTHERS)
def test_a_cookie_opens_no_other_scope(other: CookieScope) -> None:
    assert read_cookie(VALUE, KEY, other) is None
    assert cookie_name(other) != cookie_name(SCOPE)


def test_another_secret_makes_another_key() -> None:
    assert read_cookie(VALUE, derive_key(b"another secret"), SCOPE) is None


def test_the_secret_itself_is_no_key() -> None:
    assert read_cookie(cookie_value(SECRET, SCOPE, COOKIE), KEY, SCOPE) is None


def test_a_changed_end_is_refused() -> None:
    ends, rest = VALUE.split(".", 1)
    for changed in (f"{int(ends) + 1}.{rest}", f"{ends}0.{rest}", f"0{ends}.{rest}"):
        assert read_cookie(changed, KEY, SCOPE) is None


def test_the_parts_of_two_cookies_cannot_be_combined() -> None:
    other = replace(SINGLE_USE, browser_id=new_browser_id(bytes(16)), marks=COOKIE.marks)
    first = cookie_value(KEY, SCOPE, SINGLE_USE).split(".")
    second = cookie_value(KEY, SCOPE, other).split(".")
    for index in range(4):
        mixed = [*first[:index], second[index], *first[index + 1 :]]
        if mixed not in (first, second):
            assert read_cookie(".".join(mixed), KEY, SCOPE) is None
    without_browser = [first[0], first[1], first[3]]
    assert read_cookie(".".join(without_browser), KEY, SCOPE) is None


@pytest.mark.parametrize("position", range(len(VALUE)))
def test_a_changed_character_is_refused(position: int) -> None:
    other = "A" if VALUE[position] != "A" else "B"
    changed = VALUE[:position] + other + VALUE[position + 1 :]
    # The last of the 43 characters has only four bits, so that another character can decode to the
    # same bytes. The comparison of texts refuses it too.
    assert read_cookie(changed, KEY, SCOPE) is None


@pytest.mark.parametrize(
    "value",
    ["", ".", "1.", VALUE + "=", VALUE + "\n", " " + VALUE, f'"{VALUE}"', VALUE.replace(".", "..")],
)
def test_malformed_values_are_refused(value: str) -> None:
    assert read_cookie(value, KEY, SCOPE) is None
    assert time_made(value) == 0


@given(st.text(st.characters(exclude_categories=())))
def test_random_values_are_refused_without_an_error(value: str) -> None:
    for text in (value, f"{NOW + 60}.{value}", f"{NOW + 60}.{value}.{VALUE.rpartition('.')[2]}"):
        assert read_cookie(text, KEY, SCOPE) is None
        assert time_made(text) >= 0


@given(st.from_regex(r"[1-9][0-9]{0,11}\.[A-Za-z0-9_-]{14,200}\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_the_time_of_any_cookie_can_be_read(value: str) -> None:
    assert time_made(value) >= 0
    assert read_cookie(value, KEY, SCOPE) is None


def test_non_ascii_digits_are_refused() -> None:
    ends, rest = VALUE.split(".", 1)
    arabic = ends.translate({ord("0") + i: 0x660 + i for i in range(10)})
    assert read_cookie(f"{arabic}.{rest}", KEY, SCOPE) is None


def test_a_cookie_for_a_day_may_end_before_its_token() -> None:
    assert COOKIE.ends_with_token
    assert not replace(COOKIE, ends=NOW + LONGEST_SECONDS).ends_with_token


def test_the_name_is_short_and_restricted_to_one_host() -> None:
    assert re.fullmatch(r"__Host-jitsi-[0-9a-f]{16}", cookie_name(SCOPE))
    assert NAME.fullmatch(cookie_name(SCOPE))


def test_the_browser_is_hidden_in_the_repr() -> None:
    assert BROWSER not in repr(SINGLE_USE)

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.http.handoff_cookie import (
    CookieScope,
    cookie_name,
    cookie_value,
    derive_key,
    is_valid,
)

KEY = derive_key(b"a-secret-of-more-than-thirty-two-bytes")
SCOPE = CookieScope("meet.example.org", "acme", "standup")
NOW = 1_800_000_000
VALUE = cookie_value(KEY, SCOPE, NOW + 60)

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


def test_a_cookie_opens_its_scope_until_its_end() -> None:
    assert is_valid(VALUE, KEY, SCOPE, NOW)
    assert is_valid(VALUE, KEY, SCOPE, NOW + 59.9)
    assert not is_valid(VALUE, KEY, SCOPE, NOW + 60)
    assert not is_valid(VALUE, KEY, SCOPE, NOW + 61)


@pytest.mark.parametrize("other", OTHERS)
def test_a_cookie_opens_no_other_scope(other: CookieScope) -> None:
    assert not is_valid(VALUE, KEY, other, NOW)
    assert cookie_name(other) != cookie_name(SCOPE)


def test_another_secret_makes_another_key() -> None:
    assert not is_valid(VALUE, derive_key(b"another secret"), SCOPE, NOW)


def test_the_secret_itself_is_no_key() -> None:
    secret = b"a-secret-of-more-than-thirty-two-bytes"
    assert not is_valid(cookie_value(secret, SCOPE, NOW + 60), KEY, SCOPE, NOW)


def test_a_changed_end_is_refused() -> None:
    ends, signature = VALUE.split(".")
    assert not is_valid(f"{int(ends) + 1}.{signature}", KEY, SCOPE, NOW)
    assert not is_valid(f"{ends}0.{signature}", KEY, SCOPE, NOW)
    assert not is_valid(f"0{ends}.{signature}", KEY, SCOPE, NOW)


@pytest.mark.parametrize("position", range(len(VALUE)))
def test_a_changed_character_is_refused(position: int) -> None:
    other = "A" if VALUE[position] != "A" else "B"
    changed = VALUE[:position] + other + VALUE[position + 1 :]
    # The last of the 43 characters has only four bits, so that another character can decode to the
    # same bytes. The comparison of texts refuses it too.
    assert not is_valid(changed, KEY, SCOPE, NOW)


@pytest.mark.parametrize(
    "value",
    ["", ".", "1.", VALUE + "=", VALUE + "\n", " " + VALUE, f'"{VALUE}"', VALUE.replace(".", "..")],
)
def test_malformed_values_are_refused(value: str) -> None:
    assert not is_valid(value, KEY, SCOPE, NOW)


@given(st.text(st.characters(exclude_categories=())))
def test_random_values_are_refused_without_an_error(value: str) -> None:
    assert not is_valid(value, KEY, SCOPE, NOW)
    assert not is_valid(f"{NOW + 60}.{value}", KEY, SCOPE, NOW)


def test_non_ascii_digits_are_refused() -> None:
    ends, signature = VALUE.split(".")
    arabic = ends.translate({ord("0") + i: 0x660 + i for i in range(10)})
    assert not is_valid(f"{arabic}.{signature}", KEY, SCOPE, NOW)


def test_the_name_is_short_and_restricted_to_one_host() -> None:
    assert re.fullmatch(r"__Host-jitsi-[0-9a-f]{16}", cookie_name(SCOPE))
    assert len(VALUE) < 60

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
PLACE = CookieScope("meet.example.org", "acme", "standup")
NOW = 1_800_000_000
VALUE = cookie_value(KEY, PLACE, NOW + 60)

OTHERS = [
    replace(PLACE, host="meet.example.com"),
    replace(PLACE, tenant="other"),
    replace(PLACE, tenant=None),
    replace(PLACE, tenant=""),
    replace(PLACE, room="retro"),
    CookieScope("meet.example.org", "standup", "acme"),
    CookieScope("meet.example.org", None, "acme/standup"),
    CookieScope("meet.example.orgacme", None, "standup"),
]


def test_a_cookie_opens_its_place_until_its_end() -> None:
    assert is_valid(VALUE, KEY, PLACE, NOW)
    assert is_valid(VALUE, KEY, PLACE, NOW + 59.9)
    assert not is_valid(VALUE, KEY, PLACE, NOW + 60)
    assert not is_valid(VALUE, KEY, PLACE, NOW + 61)


@pytest.mark.parametrize("other", OTHERS)
def test_a_cookie_opens_no_other_place(other: CookieScope) -> None:
    assert not is_valid(VALUE, KEY, other, NOW)
    assert cookie_name(other) != cookie_name(PLACE)


def test_another_secret_makes_another_key() -> None:
    assert not is_valid(VALUE, derive_key(b"another secret"), PLACE, NOW)


def test_the_secret_itself_is_no_key() -> None:
    secret = b"a-secret-of-more-than-thirty-two-bytes"
    assert not is_valid(cookie_value(secret, PLACE, NOW + 60), KEY, PLACE, NOW)


def test_nobody_can_move_the_end() -> None:
    ends, signature = VALUE.split(".")
    assert not is_valid(f"{int(ends) + 1}.{signature}", KEY, PLACE, NOW)
    assert not is_valid(f"{ends}0.{signature}", KEY, PLACE, NOW)
    assert not is_valid(f"0{ends}.{signature}", KEY, PLACE, NOW)


@pytest.mark.parametrize("position", range(len(VALUE)))
def test_every_character_counts(position: int) -> None:
    other = "A" if VALUE[position] != "A" else "B"
    changed = VALUE[:position] + other + VALUE[position + 1 :]
    # The last character of 43 carries four bits only: a neighbour decodes to the same bytes, and
    # is refused all the same.
    assert not is_valid(changed, KEY, PLACE, NOW)


@pytest.mark.parametrize(
    "value",
    ["", ".", "1.", VALUE + "=", VALUE + "\n", " " + VALUE, f'"{VALUE}"', VALUE.replace(".", "..")],
)
def test_what_is_not_written_so_is_refused(value: str) -> None:
    assert not is_valid(value, KEY, PLACE, NOW)


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_a_client_sends_raises_or_opens(value: str) -> None:
    assert not is_valid(value, KEY, PLACE, NOW)
    assert not is_valid(f"{NOW + 60}.{value}", KEY, PLACE, NOW)


def test_digits_of_other_scripts_are_no_digits() -> None:
    ends, signature = VALUE.split(".")
    arabic = ends.translate({ord("0") + i: 0x660 + i for i in range(10)})
    assert not is_valid(f"{arabic}.{signature}", KEY, PLACE, NOW)


def test_a_name_is_short_and_for_one_host_only() -> None:
    assert re.fullmatch(r"__Host-jitsi-[0-9a-f]{16}", cookie_name(PLACE))
    assert len(VALUE) < 60

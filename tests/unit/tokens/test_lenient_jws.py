from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import segment, sign
from verifier.tokens.lenient_jws import read_leniently

CLAIMS = {"iss": "app", "room": "standup"}
TOKEN = sign(CLAIMS)
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")


@pytest.mark.parametrize(
    "text",
    [
        TOKEN + "=",
        "=" + TOKEN,
        TOKEN.replace(".", "\\"),
        TOKEN.replace(".", ".."),
        "." + TOKEN + ".",
        f"{HEADER}.{PAYLOAD[:9]}=={PAYLOAD[9:]}.{SIGNATURE}",
    ],
)
def test_forms_that_jitsi_accepts_are_read_as_by_jitsi(text: str) -> None:
    read = read_leniently(text, "irregular")
    assert read.refusal is None
    assert read.claims == CLAIMS
    assert read.strict_error == "irregular"


@pytest.mark.parametrize(
    ("payload", "claims"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":0x10,"b":+1,"c":1.}', {"a": 16.0, "b": 1.0, "c": 1.0}),
        (b'{"a":-inf,"b":infinity}', {"a": float("-inf"), "b": float("inf")}),
        (b'{"a":"\xff\x01"}', {"a": "\ufffd\x01"}),
        (b'{"a":"1.5e"}\0junk', {"a": "1.5e"}),
        (b'["a"]', {}),
        (b"[" * 500 + b"]" * 500, {}),
        (b'"a"', {}),
    ],
)
def test_json_that_cjson_accepts_is_read_as_by_cjson(payload: bytes, claims: Any) -> None:
    assert read_leniently(f"{HEADER}.{segment(payload)}.{SIGNATURE}", "x").claims == claims


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "Invalid token"),
        ("a.b", "Invalid token"),
        ("a.b.c.d", "Invalid token"),
        ("x" * 20_000, "Invalid token"),
        # Too long to be read leniently.
        (TOKEN + "=" * 9000, "Invalid token"),
        (f"%.{PAYLOAD}.{SIGNATURE}", "Invalid header"),
        (f"e30x.{PAYLOAD}.{SIGNATURE}", "Invalid header"),
        (f"{HEADER}.%.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{segment(5)}.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{segment(b'.5')}.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{segment(b'[' * 5000)}.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{segment(b'[' * 1500 + b']' * 1500)}.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{segment(b'[' * 501 + b']' * 501)}.{SIGNATURE}", "Invalid body"),
        (f"{HEADER}.{PAYLOAD}.é", "Invalid signature"),
    ],
)
def test_refusals_have_jitsis_words(text: str, refusal: str) -> None:
    assert read_leniently(text, "irregular").refusal == refusal


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("nodot", "Invalid token"),
        (".", "bad token format"),
        ("%.x", "Invalid token"),
        (segment(b"{") + ".x", "bad token format"),
        (segment({"kid": "a"}) + ".x", None),
        (segment([1]) + ".x", None),
    ],
)
def test_first_reading_has_words_of_its_own(text: str, refusal: str | None) -> None:
    assert read_leniently(text, "irregular").first_refusal == refusal


def test_rewritten_numbers_are_bounded() -> None:
    for members, refusal in ((127, None), (128, "Invalid token")):
        payload = segment(b'{"a":[' + b",".join([b"0x1"] * members) + b"]}")
        read = read_leniently(f"{HEADER}.{payload}.a", "x")
        assert (read.refusal, read.first_refusal) == (refusal, refusal)
        assert len(read.claims.get("a", ())) == (members if refusal is None else 0)


def test_number_of_values_is_bounded() -> None:
    for count, refusal in ((1_023, None), (1_024, "Invalid token")):
        payload = segment({"a": [1] * count})
        assert read_leniently(f"{HEADER}.{payload}.{SIGNATURE}=", "x").refusal == refusal


def test_many_standard_values_are_read() -> None:
    for fractions, refusal in ((128, None), (129, "Invalid token")):
        payload = segment({"a": [17] * 500, "b": [1.5] * fractions})
        assert read_leniently(f"{HEADER}.{payload}.{SIGNATURE}=", "x").refusal == refusal


def test_lone_surrogate_is_refused_in_a_doubled_member_too() -> None:
    payload = segment(rb'{"a":"\ud800","a":1}')
    assert read_leniently(f"{HEADER}.{payload}.{SIGNATURE}", "x").refusal == "Invalid body"


@given(st.text(alphabet=st.characters(), max_size=80))
def test_no_text_raises(text: str) -> None:
    read_leniently(text, "irregular")

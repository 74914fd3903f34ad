from __future__ import annotations

from random import Random
from time import process_time

import pytest

from tests.support.tokens import sign
from verifier.explain.wording import make_printable, quote

TOKEN = sign({"room": "standup", "context": {"user": {"name": "a" * 200}}})


def test_long_text_is_cut() -> None:
    assert make_printable("a" * 160) == "a" * 160
    assert make_printable("a" * 161) == "a" * 160 + "\u2026"
    assert make_printable("a" * 9_000) == "a" * 160 + "\u2026"


@pytest.mark.parametrize("before", [0, 150, 400, 470, 479])
def test_token_is_hidden_wherever_its_text_is_cut(before: int) -> None:
    text = make_printable("a " * (before // 2) + TOKEN + " b" * 5_000)
    assert "eyJ0" not in text
    assert "standup" not in text


def test_token_before_a_short_text_leaves_the_text() -> None:
    assert make_printable(f"{TOKEN} b") == "[token] b"


def test_long_claims_are_quoted_without_reading_all_of_them() -> None:
    random = Random(5)  # noqa: S311  # no secret

    def seconds() -> float:
        words = ["eyj" + "".join(random.choices("abcdefghijklmnop", k=4)) for _ in range(2_000)]
        begin = process_time()
        assert quote("".join(words)).startswith('"')
        return process_time() - begin

    assert min(seconds() for _ in range(3)) < 0.04

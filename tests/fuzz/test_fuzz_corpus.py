"""The inputs that fuzzing has kept, and some at random: no atheris needed, so on every Python."""

from __future__ import annotations

import subprocess
import sys
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import Harness, TooSlowError
from tests.fuzz.harnesses import HARNESSES, kept

EACH = pytest.mark.parametrize("name", HARNESSES)


@EACH
def test_what_was_kept_is_answered_rightly(name: str) -> None:
    inputs = [*HARNESSES[name].seeds, *kept(name)]
    assert len(inputs) > 20
    for data in inputs:
        HARNESSES[name].check(data)


@EACH
def test_whatever_comes_is_answered_rightly(name: str) -> None:
    harness = HARNESSES[name]

    @settings(deadline=None, max_examples=30, database=None, derandomize=True)
    @given(st.sampled_from(harness.seeds), st.binary(max_size=8), st.data())
    def look(seed: bytes, noise: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(seed)))
        harness.check(seed[:at] + noise + seed[at + len(noise) :])

    look()


def test_a_harness_that_would_let_in_what_is_not_signed_says_so() -> None:
    honest = HARNESSES["verify"]
    lying = Harness(
        lambda _: {"allowed": True, "code": None, "session": {}}, honest.judge, honest.seeds
    )
    forged = next(seed for seed in honest.seeds if b"FORGED" in seed)
    with pytest.raises(AssertionError):
        lying.check(forged)


def test_an_answer_that_takes_too_long_each_time_is_an_error() -> None:
    asked: list[bytes] = []

    def answer(data: bytes) -> None:
        asked.append(data)
        start = process_time()
        while data == b"slow" or (data == b"once" and len(asked) == 1):
            if process_time() - start > 2 * slow.seconds:
                return

    slow = Harness(answer, lambda *_: None, [])
    with pytest.raises(TooSlowError):
        slow.check_in_time(b"slow", slow.quickest)
    asked.clear()
    slow.check_in_time(b"once", slow.quickest)
    assert len(asked) > 1
    slow.check_in_time(b"quick", lambda _: pytest.fail("it was quick"))


def test_the_clock_answers_each_input_on_its_own() -> None:
    command = [sys.executable, "-m", "tests.fuzz.clock", "tokens"]
    asked = "".join(f"{seed.hex()}\n" for seed in HARNESSES["tokens"].seeds[:3])
    told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    assert [float(line) > 0 for line in told.stdout.splitlines()] == [True] * 3

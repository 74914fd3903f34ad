"""The inputs that fuzzing has kept, and some at random: no atheris needed, so on every Python."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import Harness
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

"""The kept inputs and some random ones; this needs no atheris, and runs on every Python."""

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
def test_corpus_inputs_pass(name: str) -> None:
    inputs = [*HARNESSES[name].seeds, *kept(name)]
    assert len(inputs) > 20
    for data in inputs:
        HARNESSES[name].check(data)


@EACH
def test_random_inputs_pass(name: str) -> None:
    harness = HARNESSES[name]

    @settings(deadline=None, max_examples=30, database=None, derandomize=True)
    @given(st.sampled_from(harness.seeds), st.binary(max_size=8), st.data())
    def check(seed: bytes, noise: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(seed)))
        harness.check(seed[:at] + noise + seed[at + len(noise) :])

    check()


def test_harness_detects_an_unsigned_allow() -> None:
    honest = HARNESSES["verify"]
    lying = Harness(
        lambda _: {"allowed": True, "code": None, "session": {}}, honest.check_result, honest.seeds
    )
    forged = next(seed for seed in honest.seeds if b"FORGED" in seed)
    with pytest.raises(AssertionError):
        lying.check(forged)


@pytest.mark.parametrize("lost", ["request", "response", "end"])
def test_harness_detects_what_a_connection_loses(lost: str) -> None:
    harness = HARNESSES["connections"]
    data = b"\0abcGET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    outcomes = harness.run(data)
    harness.check_result(data, outcomes)
    if lost == "request":
        outcomes[1].seen.pop()
    elif lost == "response":
        outcomes[1].sent = b""
    else:
        outcomes[1].has_ended = False
    with pytest.raises(AssertionError):
        harness.check_result(data, outcomes)


def test_repeatedly_slow_run_is_an_error() -> None:
    inputs: list[bytes] = []

    def run(data: bytes) -> None:
        inputs.append(data)
        start = process_time()
        while data == b"slow" or (data == b"once" and len(inputs) == 1):
            if process_time() - start > 2 * slow.seconds:
                return

    slow = Harness(run, lambda *_: None, [])
    with pytest.raises(TooSlowError):
        slow.check_in_time(b"slow", slow.quickest)
    inputs.clear()
    slow.check_in_time(b"once", slow.quickest)
    assert len(inputs) > 1
    slow.check_in_time(b"quick", lambda _: pytest.fail("the run was quick"))


def test_clock_measures_each_input() -> None:
    command = [sys.executable, "-m", "tests.fuzz.clock", "tokens"]
    lines = "".join(f"{seed.hex()}\n" for seed in HARNESSES["tokens"].seeds[:3])
    finished = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    assert [float(line) > 0 for line in finished.stdout.splitlines()] == [True] * 3

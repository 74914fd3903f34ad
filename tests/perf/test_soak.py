"""One minute of ``make soak``, and tests of the model that it compares answers with."""

from __future__ import annotations

import subprocess
import sys

from tests.perf.soak.growth import LIMITS, grown
from tests.perf.soak.model import ALLOWED, FOREVER, Condition, TimedFlag, possible_outcomes
from tests.perf.soak.traffic import MISTAKES
from tests.support.paths import ROOT

REVOKED = (403, "revoked")
EXPIRED = (401, "token-expired")


def failing(denial: tuple[int, str], begin: float, complete: float) -> Condition:
    """Return a condition that fails from ``begin`` on, everywhere by ``complete``."""
    condition = Condition(TimedFlag(), denial)
    condition.flag.change(False, begin, complete)
    return condition


def test_one_minute_gives_no_wrong_answer() -> None:
    command = [sys.executable, "-m", "tests.perf.soak", "--minutes", "1", "--rate", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.split())
    for mistake in (*MISTAKES, "5xx outside announced faults"):
        assert int(lines[mistake]) == 0
    # Two workers are killed; each has some 30 connections.
    assert int(lines["5xx as a worker was killed"]) <= 5
    assert int(lines["  200 allowed"]) > 1000
    assert int(lines["  403 revoked"]) > 0
    assert int(lines["  401 token-expired"]) > 0
    for event in ("2 kills", "1 Redis faults", "1 provider restarts", "1 restarts after SIGKILL"):
        assert event in done.stdout


def test_what_stays_is_growth_and_what_passes_is_not() -> None:
    passing = [{"tasks": 5.0 + 50 * (number % 10 == 0)} for number in range(90)]
    leaking = [{"tasks": 5.0 + number / 5} for number in range(90)]
    assert grown(passing, "tasks") == 0
    assert grown(leaking, "tasks") == 12 > LIMITS["tasks"]


def test_both_answers_are_right_during_a_change() -> None:
    conditions = [failing(REVOKED, 10, 12)]
    assert possible_outcomes(conditions, ALLOWED, 8, 9) == {ALLOWED}
    assert possible_outcomes(conditions, ALLOWED, 9, 10) == {ALLOWED, REVOKED}
    assert possible_outcomes(conditions, ALLOWED, 11, 11) == {ALLOWED, REVOKED}
    assert possible_outcomes(conditions, ALLOWED, 11.9, 13) == {ALLOWED, REVOKED}
    assert possible_outcomes(conditions, ALLOWED, 12, 13) == {REVOKED}


def test_first_failed_condition_decides_and_no_cached_allow() -> None:
    conditions = [failing(EXPIRED, 10, 11), failing(REVOKED, 5, 6)]
    assert possible_outcomes(conditions, ALLOWED, 20, 21) == {EXPIRED}
    assert possible_outcomes(conditions, ALLOWED, 12, 13, cached_seconds=5) == {EXPIRED, REVOKED}
    assert possible_outcomes(conditions[:1], ALLOWED, 12, 13, cached_seconds=5) == {EXPIRED}


def test_outage_excuses_unknown_keys_only() -> None:
    outage = TimedFlag(initial=False)
    outage.change(True, 10, 10)
    outage.change(False, 20, 30)
    unknown, unavailable = (401, "key-unknown"), (503, "keys-unavailable")
    new = Condition(TimedFlag(initial=False), unknown, unavailable, outage)
    known = Condition(TimedFlag(), unknown, unavailable, outage)
    assert possible_outcomes([new], ALLOWED, 8, 9) == {unknown}
    assert possible_outcomes([new], ALLOWED, 12, 13) == {unknown, unavailable}
    assert possible_outcomes([new], ALLOWED, 31, 32) == {unknown}
    assert possible_outcomes([known], ALLOWED, 12, 13) == {ALLOWED}


def test_only_true_facts_become_uncertain_and_for_a_time() -> None:
    known, withdrawn = TimedFlag(), TimedFlag()
    withdrawn.change(False, 1, 2)
    for flag in (known, withdrawn):
        flag.make_uncertain(10, 20)
    assert known.possible_values(12, 13) == {True, False}
    assert known.possible_values(21, 22) == {True}
    assert withdrawn.possible_values(12, 13) == {False}
    withdrawn.change(False, 30, FOREVER)
    assert withdrawn.possible_values(40, 41) == {False}

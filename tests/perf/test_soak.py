"""A minute of ``make soak``; and that what compares the answers can tell."""

from __future__ import annotations

import subprocess
import sys

from tests.perf.soak.model import ALLOWED, FOREVER, Gate, Switch, outcomes
from tests.support.paths import ROOT

REVOKED = (403, "revoked")
EXPIRED = (401, "token-expired")


def closing(refusal: tuple[int, str], begin: float, settled: float) -> Gate:
    gate = Gate(Switch(), refusal)
    gate.open.turn(False, begin, settled)
    return gate


def test_no_answer_of_a_minute_is_wrong() -> None:
    command = [sys.executable, "-m", "tests.perf.soak", "--minutes", "1", "--rate", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.split())
    assert int(lines["wrong answers"]) == int(lines["5xx outside announced faults"]) == 0
    assert int(lines["  200 allowed"]) > 1000
    assert int(lines["  403 revoked"]) > 0
    assert int(lines["  401 token-expired"]) > 0
    assert "2 kills" in done.stdout
    assert "1 Redis faults" in done.stdout


def test_an_answer_is_right_before_a_change_and_another_behind_it() -> None:
    gates = [closing(REVOKED, 10, 12)]
    assert outcomes(gates, ALLOWED, 8, 9) == {ALLOWED}
    assert outcomes(gates, ALLOWED, 9, 10) == {ALLOWED, REVOKED}
    assert outcomes(gates, ALLOWED, 11, 11) == {ALLOWED, REVOKED}
    assert outcomes(gates, ALLOWED, 11.9, 13) == {ALLOWED, REVOKED}
    assert outcomes(gates, ALLOWED, 12, 13) == {REVOKED}


def test_the_first_reason_is_the_answer_and_no_kept_answer_lets_in() -> None:
    gates = [closing(EXPIRED, 10, 11), closing(REVOKED, 5, 6)]
    assert outcomes(gates, ALLOWED, 20, 21) == {EXPIRED}
    assert outcomes(gates, ALLOWED, 12, 13, kept=5) == {EXPIRED, REVOKED}
    assert outcomes(gates[:1], ALLOWED, 12, 13, kept=5) == {EXPIRED}


def test_an_announced_fault_excuses_what_is_not_known_and_nothing_else() -> None:
    trouble = Switch(first=False)
    trouble.turn(True, 10, 10)
    trouble.turn(False, 20, 30)
    unknown, unavailable = (401, "key-unknown"), (503, "keys-unavailable")
    new = Gate(Switch(first=False), unknown, unavailable, trouble)
    known = Gate(Switch(), unknown, unavailable, trouble)
    assert outcomes([new], ALLOWED, 8, 9) == {unknown}
    assert outcomes([new], ALLOWED, 12, 13) == {unknown, unavailable}
    assert outcomes([new], ALLOWED, 31, 32) == {unknown}
    assert outcomes([known], ALLOWED, 12, 13) == {ALLOWED}


def test_a_doubt_is_for_what_was_true_and_has_an_end() -> None:
    known, withdrawn = Switch(), Switch()
    withdrawn.turn(False, 1, 2)
    for each in (known, withdrawn):
        each.doubt(10, 20)
    assert known.values(12, 13) == {True, False}
    assert known.values(21, 22) == {True}
    assert withdrawn.values(12, 13) == {False}
    withdrawn.turn(False, 30, FOREVER)
    assert withdrawn.values(40, 41) == {False}

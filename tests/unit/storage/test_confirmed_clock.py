"""The clock for deletions, while the system clock jumps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from verifier.storage.confirmed_clock import ConfirmedClock

MINUTE, HOUR, YEAR = 60.0, 3_600.0, 365 * 86_400.0
START = 1_800_000_000.0


@dataclass
class Clocks:
    """A system clock that can jump, and a monotonic clock."""

    system: float = START
    monotonic: float = 5.0

    def wait(self, seconds: float) -> None:
        self.system += seconds
        self.monotonic += seconds


def pass_minutes(clocks: Clocks, confirmed: ConfirmedClock, minutes: int) -> list[float]:
    times = []
    for _ in range(minutes):
        clocks.wait(MINUTE)
        times.append(confirmed())
    return times


def started() -> tuple[Clocks, ConfirmedClock]:
    clocks = Clocks()
    return clocks, ConfirmedClock(lambda: clocks.system, lambda: clocks.monotonic)


def test_the_confirmed_time_is_one_or_two_hours_behind() -> None:
    clocks, confirmed = started()
    assert set(pass_minutes(clocks, confirmed, 59)) == {-math.inf}
    for _ in range(300):
        (time,) = pass_minutes(clocks, confirmed, 1)
        assert HOUR <= clocks.system - time <= 2 * HOUR


def test_a_jump_that_is_corrected_within_an_hour_is_never_confirmed() -> None:
    clocks, confirmed = started()
    pass_minutes(clocks, confirmed, 200)
    for minutes in (1, 30, 59):
        clocks.system += YEAR
        during = pass_minutes(clocks, confirmed, minutes)
        clocks.system -= YEAR
        after = pass_minutes(clocks, confirmed, 150)
        assert max(*during, *after) <= clocks.system - HOUR


def test_a_clock_that_is_wrong_from_the_start_confirms_nothing_for_an_hour() -> None:
    clocks, confirmed = started()
    during = pass_minutes(clocks, confirmed, 59)
    clocks.system -= YEAR
    after = pass_minutes(clocks, confirmed, 300)
    assert max(*during, *after) <= clocks.system - HOUR


def test_a_time_that_was_right_is_confirmed_in_the_end() -> None:
    clocks, confirmed = started()
    clocks.system += YEAR
    pass_minutes(clocks, confirmed, 130)
    assert confirmed() >= START + YEAR

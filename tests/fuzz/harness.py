"""A harness: it runs the product on an input, checks the result, and measures the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Final

MAX_SECONDS: Final = 0.005
"""The CPU time for an input that any client can send; an operator's own documents may take more."""
_REPEATED: Final = 5


class TooSlowError(AssertionError):
    """Every run of an input takes too long."""


@dataclass(frozen=True)
class Harness:
    """One kind of input.

    Attributes:
        run: Runs the product on an input; raises nothing.
        check_result: Asserts, by other means than the product's, that the result is right.
        seeds: Inputs to begin with.
        seconds: The longest time of a run, CPU seconds.
        longest: Bytes of the longest input.
    """

    run: Callable[[bytes], Any]
    check_result: Callable[[bytes, Any], None]
    seeds: Sequence[bytes]
    seconds: float = MAX_SECONDS
    longest: int = 4_096

    def check(self, data: bytes) -> float:
        """Run the product and check the result; return the run's seconds."""
        start = process_time()
        found = self.run(data)
        spent = process_time() - start
        self.check_result(data, found)
        return spent

    def check_in_time(self, data: bytes, clock: Callable[[bytes], float]) -> None:
        """Run and check, and measure a slow run again with a clock that no instrument slows down.

        Raises:
            TooSlowError: Every run takes too long.
        """
        if self.check(data) < self.seconds:
            return
        seconds = clock(data)
        if seconds > self.seconds:
            raise TooSlowError(f"{seconds * 1_000:.1f} ms")

    def quickest(self, data: bytes) -> float:
        """Return the seconds of the quickest of several runs: the slower ones were interrupted."""
        return min(self._timed(data) for _ in range(_REPEATED))

    def _timed(self, data: bytes) -> float:
        start = process_time()
        self.run(data)
        return process_time() - start

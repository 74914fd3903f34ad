"""What every harness has: an input, an answer to it, what holds of each answer, and a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Final

ANSWER_SECONDS: Final = 0.005
"""What an answer to anybody may cost; documents of an operator's own have more."""
_REPEATED: Final = 5


class TooSlowError(AssertionError):
    """An input takes longer each time than it may."""


@dataclass(frozen=True)
class Harness:
    """One kind of input.

    Attributes:
        answer: What the product does with an input; raises nothing.
        judge: Holds, by other means than the product's, that the answer is right.
        seeds: Inputs to begin with.
        seconds: How long an answer may take, CPU time.
        longest: Bytes of the longest input.
    """

    answer: Callable[[bytes], Any]
    judge: Callable[[bytes, Any], None]
    seeds: Sequence[bytes]
    seconds: float = ANSWER_SECONDS
    longest: int = 4_096

    def check(self, data: bytes) -> float:
        """Answer and judge; give the answer's seconds."""
        start = process_time()
        found = self.answer(data)
        spent = process_time() - start
        self.judge(data, found)
        return spent

    def check_in_time(self, data: bytes, clock: Callable[[bytes], float]) -> None:
        """Answer and judge, in time by a clock that nothing here slows down.

        Raises:
            TooSlowError: it takes longer each time.
        """
        if self.check(data) < self.seconds:
            return
        seconds = clock(data)
        if seconds > self.seconds:
            raise TooSlowError(f"{seconds * 1_000:.1f} ms")

    def quickest(self, data: bytes) -> float:
        """Give the seconds of the quickest of several answers: the others were interrupted."""
        return min(self._timed(data) for _ in range(_REPEATED))

    def _timed(self, data: bytes) -> float:
        start = process_time()
        self.answer(data)
        return process_time() - start

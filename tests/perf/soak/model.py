"""The model: which answers are right for a token, given what was done to the service and when.

The model never learns from answers, and shares no code with the service. A change (a revocation, a
reload) takes time: from the moment of the change until the documented moment at which it is
complete, the answers before and after it are both right. Outside of that time, one answer is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ALLOWED: Final = (200, "")
"""Status and denial code of an allowed request."""

Outcome = tuple[int, str]
FOREVER: Final = float("inf")


@dataclass(slots=True)
class TimedFlag:
    """A fact that is true or false, and changes at known times."""

    initial: bool = True
    _changes: list[tuple[float, float, bool]] = field(default_factory=list)

    def change(self, value: bool, begin: float, complete: float) -> None:
        """Change to ``value``, beginning at ``begin``, everywhere by ``complete`` (Unix time)."""
        self._changes.append((begin, complete, value))

    def delay(self, now: float, until: Mapping[bool, float]) -> None:
        """Delay the end of changes that are not complete; ``until`` has the times by new value."""
        self._changes = [
            (begin, max(complete, until[value]) if complete > now else complete, value)
            for begin, complete, value in self._changes
        ]

    def make_uncertain(self, begin: float, until: float) -> None:
        """Permit both values between two moments if the fact is true; a false fact stays false."""
        if self.possible_values(begin, begin) == {True}:
            self.change(False, begin, until)
            self.change(True, begin, until)

    def changes_between(self, start: float, end: float) -> bool:
        """Return whether a change was under way between two moments."""
        return any(begin <= end and complete >= start for begin, complete, _ in self._changes)

    def possible_values(self, start: float, end: float) -> set[bool]:
        """Return the values that the fact may have had between two moments."""
        values = set[bool]()
        for begin, complete, value in reversed(self._changes):
            if begin <= end:
                values.add(value)
            if complete <= start:
                return values
        return values | {self.initial}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that a token has to meet.

    Attributes:
        flag: Whether the condition is met.
        denial: The answer if it is not met.
        denial_in_outage: An answer that is also right during an outage of its source.
        outage: Whether the source is in an outage.
    """

    flag: TimedFlag
    denial: Outcome
    denial_in_outage: Outcome | None = None
    outage: TimedFlag = field(default_factory=lambda: TimedFlag(initial=False))


def possible_outcomes(
    conditions: Iterable[Condition],
    final_outcome: Outcome,
    start: float,
    end: float,
    cached_seconds: float = 0,
) -> set[Outcome]:
    """Return every right answer to a request.

    For as long as answers are cached, a denial may keep the code that it had before an earlier
    condition failed. An allow may not.

    Args:
        conditions: The conditions, in Jitsi's order.
        final_outcome: The answer if all conditions are met.
        start: The time of the request, Unix time.
        end: The time of its answer.
        cached_seconds: How long answers are cached.
    """
    right = set[Outcome]()
    has_failed = False
    for condition in conditions:
        values = condition.flag.possible_values(start, end)
        if False in values:
            right.add(condition.denial)
            if condition.denial_in_outage is not None and True in condition.outage.possible_values(
                start, end
            ):
                right.add(condition.denial_in_outage)
        if True not in values and not condition.flag.changes_between(start - cached_seconds, end):
            return right
        has_failed = has_failed or True not in values
    return right if has_failed and final_outcome == ALLOWED else right | {final_outcome}

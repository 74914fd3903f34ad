"""What an answer may be, from how a token was made and what was done when; never from an answer.

What changes, changes within a time: between the moment at which it is done and the one by which
it is documented to hold everywhere, both answers are right. Before and after, one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ALLOWED: Final = (200, "")
"""Status and denial code of what is let in."""

Outcome = tuple[int, str]
FOREVER: Final = float("inf")


@dataclass(slots=True)
class Switch:
    """Something that is true or not, and changes."""

    first: bool = True
    _changes: list[tuple[float, float, bool]] = field(default_factory=list)

    def turn(self, value: bool, begin: float, settled: float) -> None:
        """Change from ``begin`` on, everywhere by ``settled`` (seconds)."""
        self._changes.append((begin, settled, value))

    def unsettle(self, now: float, until: Mapping[bool, float]) -> None:
        """Have what is not settled yet settle later: what is becoming true, and what false."""
        self._changes = [
            (begin, max(settled, until[value]) if settled > now else settled, value)
            for begin, settled, value in self._changes
        ]

    def doubt(self, begin: float, until: float) -> None:
        """Have what is true be either for a time; what is not stays so."""
        if self.values(begin, begin) == {True}:
            self.turn(False, begin, until)
            self.turn(True, begin, until)

    def has_changed(self, start: float, end: float) -> bool:
        """Tell whether it has begun to change, or was still changing, between two moments."""
        return any(begin <= end and settled >= start for begin, settled, _ in self._changes)

    def values(self, start: float, end: float) -> set[bool]:
        """Give what it may have been between two moments."""
        found = set[bool]()
        for begin, settled, value in reversed(self._changes):
            if begin <= end:
                found.add(value)
            if settled <= start:
                return found
        return found | {self.first}


@dataclass(frozen=True, slots=True)
class Gate:
    """One reason for which a token may be refused.

    Attributes:
        open: Whether it lets the token pass.
        refusal: What is answered if not.
        troubled: What may be answered instead while its source is announced to fail.
        trouble: When that is.
    """

    open: Switch
    refusal: Outcome
    troubled: Outcome | None = None
    trouble: Switch = field(default_factory=lambda: Switch(first=False))


def outcomes(
    gates: Iterable[Gate], verdict: Outcome, start: float, end: float, kept: float = 0
) -> set[Outcome]:
    """Give every answer that is right to a question that was on its way between two moments.

    A refusal may be answered with the code that it had before a gate further up was closed, for
    as long as answers are kept; that never turns it into an allow.

    Args:
        gates: The reasons, in Jitsi's order.
        verdict: The answer if every gate is open.
        start: When the question was sent, seconds.
        end: When its answer was there.
        kept: How long, seconds, answers are kept.
    """
    right = set[Outcome]()
    closed = False
    for gate in gates:
        values = gate.open.values(start, end)
        if False in values:
            right.add(gate.refusal)
            if gate.troubled is not None and True in gate.trouble.values(start, end):
                right.add(gate.troubled)
        if True not in values and not gate.open.has_changed(start - kept, end):
            return right
        closed = closed or True not in values
    return right if closed and verdict == ALLOWED else right | {verdict}

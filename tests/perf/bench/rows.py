"""What has been found: the rows of the table, and what they should reach.

A row's figures are one a round, and their median counts. A ratio is taken within each round, and
its median counts: that of the figures, or that of the CPU time, which a busy machine spoils less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from tests.perf.bench.rounds import Sample

Of = Literal["figures", "ratios", "cpu_ratios"]
"""What a goal is about: an attribute of its row."""

_PREFIXES: Final[Mapping[Of, str]] = {"figures": "", "ratios": "ratio ", "cpu_ratios": "CPU ratio "}


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row should reach.

    Attributes:
        bound: The figure.
        at_least: Whether more is better.
        of: What has to reach it.
    """

    bound: float
    at_least: bool = True
    of: Of = "ratios"

    def __str__(self) -> str:
        """Write it as in the table."""
        return f"{_PREFIXES[self.of]}{'≥' if self.at_least else '≤'} {self.bound:g}"

    def is_met(self, values: Sequence[float]) -> bool | None:
        """Compare; None where nothing was measured."""
        if not values:
            return None
        value = median(values)
        return value >= self.bound if self.at_least else value <= self.bound


def at_most(bound: float, of: Of = "figures") -> Goal:
    """Make a goal where less is better."""
    return Goal(bound, at_least=False, of=of)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        section: The section that it belongs to.
        name: What was measured.
        figures: One a round; empty where only a ratio is told.
        unit: Of the figures.
        cpu: CPU time of what was measured for each request, µs, one a round.
        generator: CPU time of the load generator, as a share of a core, one a round.
        ratios: Of the figures to those of another row, one a round.
        cpu_ratios: Of the CPU time to that of the same other row.
        to: What the ratios are to.
        goal: What it should reach.
        note: What else has to be known.
    """

    section: str
    name: str
    figures: Sequence[float] = ()
    unit: str = "req/s"
    cpu: Sequence[float] = ()
    generator: Sequence[float] = ()
    ratios: Sequence[float] = ()
    cpu_ratios: Sequence[float] = ()
    to: str = ""
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none, or nothing was measured."""
        return self.goal.is_met(getattr(self, self.goal.of)) if self.goal else None


def compared(
    section: str, samples: Mapping[str, Sequence[Sample]], base: str, goals: Mapping[str, Goal]
) -> list[Row]:
    """Make a row of each variant.

    Args:
        section: The rows' section.
        samples: What was measured, by the variants' names.
        base: The name of the one that the others are compared with.
        goals: By the variants' names, for some.
    """
    return [compare_with(section, name, samples, base, goals.get(name)) for name in samples]


def compare_with(
    section: str,
    name: str,
    samples: Mapping[str, Sequence[Sample]],
    base: str,
    goal: Goal | None = None,
) -> Row:
    """Make a row of one variant, compared with another."""
    found = samples[name]
    pairs = list(zip(found, samples[base], strict=True))
    return Row(
        section,
        name,
        [each.rate for each in found],
        cpu=[each.cpu for each in found],
        generator=[each.generator for each in found],
        ratios=[this.rate / that.rate for this, that in pairs],
        cpu_ratios=[this.cpu / that.cpu for this, that in pairs],
        to=base,
        goal=goal,
    )

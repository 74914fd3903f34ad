"""The rows of the table, and their goals.

A row has one figure for each round; its value is their median. Ratios to another row are taken
within each round. Ratios of the CPU time depend less on other programs than ratios of the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from tests.perf.bench.rounds import Sample

Of = Literal["figures", "ratios", "cpu_ratios"]
"""The attribute of a row that a goal is for."""

_PREFIXES: Final[Mapping[Of, str]] = {"figures": "", "ratios": "ratio ", "cpu_ratios": "CPU ratio "}


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a row.

    Attributes:
        bound: The limit.
        at_least: Whether the limit is a minimum.
        of: The attribute of the row that is compared.
    """

    bound: float
    at_least: bool = True
    of: Of = "ratios"

    def __str__(self) -> str:
        """Return the text in the table."""
        return f"{_PREFIXES[self.of]}{'≥' if self.at_least else '≤'} {self.bound:g}"

    def is_met(self, values: Sequence[float]) -> bool | None:
        """Return whether the median meets the goal; None without values."""
        if not values:
            return None
        value = median(values)
        return value >= self.bound if self.at_least else value <= self.bound


def at_most(bound: float, of: Of = "figures") -> Goal:
    """Return a goal with a maximum."""
    return Goal(bound, at_least=False, of=of)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        section: The section of the row.
        name: The measured variant.
        figures: One for each round; empty if the row has only ratios.
        unit: The unit of the figures.
        cpu: CPU time of the measured programs for each request, µs, one for each round.
        generator: CPU time of the load generator, as a share of a core, one for each round.
        ratios: Ratios of the figures to those of another row, one for each round.
        cpu_ratios: Ratios of the CPU time to that of the same other row.
        to: The name of the other row.
        goal: The goal.
        note: A footnote.
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
        """Whether the goal is met; None without a goal or without values."""
        return self.goal.is_met(getattr(self, self.goal.of)) if self.goal else None


def compared(
    section: str, samples: Mapping[str, Sequence[Sample]], base: str, goals: Mapping[str, Goal]
) -> list[Row]:
    """Return a row for each variant.

    Args:
        section: The section of the rows.
        samples: The samples by the name of the variant.
        base: The name of the variant that all are compared with.
        goals: Goals by the name of the variant.
    """
    return [compare_with(section, name, samples, base, goals.get(name)) for name in samples]


def compare_with(
    section: str,
    name: str,
    samples: Mapping[str, Sequence[Sample]],
    base: str,
    goal: Goal | None = None,
) -> Row:
    """Return a row for one variant, compared with another."""
    own = samples[name]
    pairs = list(zip(own, samples[base], strict=True))
    return Row(
        section,
        name,
        [sample.rate for sample in own],
        cpu=[sample.cpu for sample in own],
        generator=[sample.generator for sample in own],
        ratios=[one.rate / other.rate for one, other in pairs],
        cpu_ratios=[one.cpu / other.cpu for one, other in pairs],
        to=base,
        goal=goal,
    )

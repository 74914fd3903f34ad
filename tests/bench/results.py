"""What has been found: rows of one table, for people and as JSON.

A row's figures are one a round; the table has their medians. A ratio is taken within each round,
and its median is what a goal is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.bench.rounds import Sample

_HEADINGS: Final = ("", "median", "spread", "CPU µs", "load", "ratio", "to", "target", "met")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row should reach.

    Attributes:
        bound: The figure.
        at_least: Whether more is better.
        ratio: Whether it is the row's ratio that counts, or its figure.
    """

    bound: float
    at_least: bool = True
    ratio: bool = True

    def __str__(self) -> str:
        """Write it as in the table."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


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
        ratios: To another row, one a round.
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
    to: str = ""
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none, or nothing was measured."""
        values = self.ratios if self.goal and self.goal.ratio else self.figures
        if self.goal is None or not values:
            return None
        value = median(values)
        return value >= self.goal.bound if self.goal.at_least else value <= self.goal.bound

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON has it."""
        return {
            "section": self.section,
            "name": self.name,
            "unit": self.unit,
            "median": _median(self.figures),
            "least": min(self.figures, default=None),
            "most": max(self.figures, default=None),
            "cpu_us": _median(self.cpu),
            "generator": _median(self.generator),
            "ratio": _median(self.ratios),
            "to": self.to,
            "goal": str(self.goal) if self.goal else None,
            "met": self.met,
            "note": self.note,
        }

    def cells(self) -> list[str]:
        """Give its cells, as in the headings."""
        figure, least, most = (_short(_middle(self.figures, pick)) for pick in (median, min, max))
        return [
            self.name,
            f"{figure} {self.unit}" if figure else "",
            f"{least} - {most}" if len(self.figures) > 1 else "",
            _short(_median(self.cpu)),
            f"{median(self.generator):.0%}" if self.generator else "",
            f"{median(self.ratios):.2f}" if self.ratios else "",
            self.to if self.ratios else "",
            str(self.goal) if self.goal else "",
            {None: "", True: "yes", False: "**no**"}[self.met],
        ]


def sampled(
    section: str,
    name: str,
    samples: Sequence[Sample],
    *,
    ratios: Sequence[float] = (),
    to: str = "",
    goal: Goal | None = None,
) -> Row:
    """Make a row of a variant's samples."""
    return Row(
        section,
        name,
        [each.rate for each in samples],
        cpu=[each.cpu for each in samples],
        generator=[each.generator for each in samples],
        ratios=ratios,
        to=to,
        goal=goal,
    )


def rate_ratios(these: Sequence[Sample], those: Sequence[Sample]) -> list[float]:
    """Divide the rates of each round."""
    return [this.rate / that.rate for this, that in zip(these, those, strict=True)]


def cpu_ratios(these: Sequence[Sample], those: Sequence[Sample]) -> list[float]:
    """Divide the CPU times of each round."""
    return [this.cpu / that.cpu for this, that in zip(these, those, strict=True)]


def table(rows: Sequence[Row]) -> str:
    """Write all rows as one Markdown table, sections apart, and the notes below it."""
    lines, notes = [list(_HEADINGS)], []
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines.append([f"**{section}**", *[""] * (len(_HEADINGS) - 1)])
        cells = row.cells()
        if row.note:
            notes.append(row.note)
            cells[0] += f" [{len(notes)}]"
        lines.append(cells)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    written = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([*written, "", *(f"[{n}] {note}" for n, note in enumerate(notes, 1))])


def _middle(figures: Sequence[float], pick: Any) -> float | None:
    return pick(figures) if figures else None


def _median(figures: Sequence[float]) -> float | None:
    return median(figures) if figures else None


def _short(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"

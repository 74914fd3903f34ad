"""Rows as one Markdown table, and as JSON for a later comparison."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from tests.perf.bench.rows import Row

_HEADINGS: Final = (
    "",
    "median",
    "spread",
    "CPU µs",
    "load",
    "ratio",
    "CPU ratio",
    "to",
    "target",
    "met",
)
_BOTTLENECK: Final = 0.95
_MET: Final = {None: "", True: "yes", False: "**no**"}


def as_json(row: Row) -> dict[str, Any]:
    """Return a row as a JSON object."""
    return {
        "title": row.section,
        "name": row.name,
        "unit": row.unit,
        "median": _median(row.figures),
        "least": min(row.figures, default=None),
        "most": max(row.figures, default=None),
        "cpu_us": _median(row.cpu),
        "generator": _median(row.generator),
        "ratio": _median(row.ratios),
        "cpu_ratio": _median(row.cpu_ratios),
        "to": row.to,
        "goal": str(row.goal) if row.goal else None,
        "met": row.met,
        "note": row.note,
    }


def table(rows: Sequence[Row]) -> str:
    """Return a table of all rows by section, with their notes below."""
    lines, notes = [list(_HEADINGS)], []
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines.append([f"**{section}**", *[""] * (len(_HEADINGS) - 1)])
        cells = _cells(row)
        if row.note:
            notes.append(row.note)
            cells[0] += f" [{len(notes)}]"
        lines.append(cells)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    text_lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([*text_lines, "", *(f"[{n}] {note}\n" for n, note in enumerate(notes, 1))])


def _cells(row: Row) -> list[str]:
    least, most = min(row.figures, default=None), max(row.figures, default=None)
    return [
        row.name,
        f"{_format(_median(row.figures))} {row.unit}" if row.figures else "",
        f"{_format(least)} - {_format(most)}" if len(row.figures) > 1 else "",
        _format(_median(row.cpu)),
        _load(row.generator),
        f"{median(row.ratios):.2f}" if row.ratios else "",
        f"{median(row.cpu_ratios):.2f}" if row.cpu_ratios else "",
        row.to,
        str(row.goal or ""),
        _MET[row.met],
    ]


def _load(generator: Sequence[float]) -> str:
    """Return the load of the generator, marked if its own speed may be what was measured."""
    if not generator:
        return ""
    load = median(generator)
    return f"{load:.0%}" if load < _BOTTLENECK else f"**{load:.0%}**"


def _median(figures: Sequence[float]) -> float | None:
    return median(figures) if figures else None


def _format(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"

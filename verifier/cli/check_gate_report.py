"""The report of ``check-gate``: a table for people, and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from verifier.check_gate import Report, Result, Verdict
from verifier.cli.colour import painted

_MARKS: Final = {Verdict.HOLDS: "✓", Verdict.MISSED: "✗", Verdict.NOT_ASKED: "·"}
_COLOURS: Final = {Verdict.HOLDS: "32", Verdict.MISSED: "31", Verdict.NOT_ASKED: "2"}
_HEADINGS: Final = ("question", "expected", "found", "verdict")
_BOLD: Final = "1"
_WIDEST: Final = 50
"""Characters that a column is aligned to. A longer cell, a reason, moves the rest of its line."""


def as_json(report: Report, url: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "url": url,
        "holds": report.holds,
        "requests": report.sent,
        "counts": {verdict.name.lower(): _count(report, verdict) for verdict in Verdict},
        "notes": list(notes),
        "questions": [
            {
                "group": result.question.group,
                "question": result.question.text,
                "expected": result.question.expected.value,
                "found": result.found,
                "verdict": result.verdict.name.lower().replace("_", "-"),
                "cure": result.cure or None,
            }
            for result in report.results
        ],
    }


def render(report: Report, url: str, notes: Sequence[str], *, colour: bool) -> str:
    """Return the report for people: the table, what to do, and a summary on the last line."""
    rows = [
        (result.question.text, result.question.expected.value, result.found, result.verdict.value)
        for result in report.results
    ]
    columns = zip(*rows, _HEADINGS, strict=True)
    widths = [min(max(map(len, column)), _WIDEST) for column in columns]
    lines = [f"  {_cells(_HEADINGS, widths)}"]
    for group, results in groupby(report.results, lambda result: result.question.group):
        lines += ["", painted(group, _BOLD, colour=colour)]
        lines += [_line(result, widths, colour=colour) for result in results]
    missed = [result for result in report.results if result.verdict is Verdict.MISSED]
    if missed:
        lines += ["", painted("What to do", _BOLD, colour=colour), *_cures(missed)]
    lines += ["", *(f"Note: {note}" for note in notes), _summary(report, url)]
    return "\n".join([*lines, ""])


def _line(result: Result, widths: Sequence[int], *, colour: bool) -> str:
    question = result.question
    cells = (question.text, question.expected.value, result.found, result.verdict.value)
    mark = painted(_MARKS[result.verdict], _COLOURS[result.verdict], colour=colour)
    return f"{mark} {_cells(cells, widths)}".rstrip()


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cures(missed: Sequence[Result]) -> Iterator[str]:
    """Yield each cure once, with the questions that it is for."""
    for cure in dict.fromkeys(result.cure for result in missed):
        names = [f'"{result.question.text}"' for result in missed if result.cure == cure]
        yield f"- {'; '.join(names)}:"
        yield f"  {cure}"


def _summary(report: Report, url: str) -> str:
    holding, missed = _count(report, Verdict.HOLDS), _count(report, Verdict.MISSED)
    counts = f"{holding} hold, {missed} do not, {_count(report, Verdict.NOT_ASKED)} were not asked"
    return f"{url}: {counts} ({report.sent} requests)"


def _count(report: Report, verdict: Verdict) -> int:
    return sum(result.verdict is verdict for result in report.results)

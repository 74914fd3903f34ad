"""An explanation as text for a terminal."""

from __future__ import annotations

from typing import Final

from verifier.explain import Explanation, Step

_MARKS: Final = {"pass": "✓", "fail": "✗", "not-reached": "·"}
_RED, _GREEN, _DIM, _BOLD = "31", "32", "2", "1"
_COLOURS: Final = {"pass": _GREEN, "fail": _RED, "not-reached": _DIM}
_TELLING: Final = frozenset(
    {
        "key id",
        "algorithm",
        "expiry",
        "not before",
        "issuer",
        "audience",
        "room claim",
        "subject",
        "room address",
    }
)
"""Steps of which one wants to see what was found even if it was right."""


def render(explanation: Explanation, *, colour: bool) -> str:
    """Write one line a step, the verdict, what Prosody would say, what to change, and notes."""
    width = max(len(step.name) for step in explanation.steps)
    lines = [_line(step, width, colour=colour) for step in explanation.steps]
    if explanation.allowed:
        lines += ["", _painted("allowed", f"{_BOLD};{_GREEN}", colour=colour)]
    else:
        denied = _painted(f"denied: {explanation.code}", f"{_BOLD};{_RED}", colour=colour)
        said = ": ".join(filter(None, (explanation.prosody.error, explanation.prosody.reason)))
        lines += ["", denied, f"Prosody would say: {said}"]
        lines += [f"To change: {step.cure}" for step in explanation.steps if step.cure]
    lines += [f"Note: {note}" for note in explanation.notes]
    return "\n".join([*lines, ""])


def _line(step: Step, width: int, *, colour: bool) -> str:
    mark = _painted(_MARKS[step.result], _COLOURS[step.result], colour=colour)
    return f"{mark} {step.name:{width}}  {_comment(step)}".rstrip()


def _comment(step: Step) -> str:
    if step.result == "fail":
        return f"expected {step.expected}; found {step.found or 'nothing'}"
    if step.result == "not-reached":
        return "not reached"
    return (step.found or "none") if step.name in _TELLING else ""


def _painted(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text

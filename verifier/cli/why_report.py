"""The decisions that ``why`` found: as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from verifier.explain.wording import escape_unprintable, split_cause
from verifier.log import LONGEST_VALUE
from verifier.observability.audit_lines import AuditLine
from verifier.rules.denial_texts import DENIAL_TEXTS
from verifier.rules.model import DenialCode

_VERDICTS: Final = {
    "allowed": "allowed",
    "denied": "denied",
    "would-deny": "would be denied (report-only)",
}
# The fields in which equal decisions may differ.
_VARYING: Final = frozenset({"time", "request_id", "detail", "found", "cure", "worker"})


@dataclass(slots=True)
class Found:
    """Equal decisions that follow each other.

    Attributes:
        line: The first of them.
        count: How many there are.
        last: The time of the last one, Unix seconds.
    """

    line: AuditLine
    count: int
    last: float

    def is_equal(self, line: AuditLine) -> bool:
        """Return whether a decision is equal to these, but for its time."""
        return line.outcome == self.line.outcome and _fixed(line) == _fixed(self.line)


class Findings:
    """What was found so far; keeps the last decisions only.

    Args:
        limit: How many are kept.

    Attributes:
        found: The decisions, in the order of the logs.
        matched: How many decisions were found.
        left_out: How many of them are no longer in ``found``.
        lines: How many lines were searched.
        unreadable: How many of the lines that may be about the search have no decision and no event
            of this program.
        problems: Why logs could not be read to their ends, by name.
    """

    def __init__(self, limit: int) -> None:
        self.found: deque[Found] = deque(maxlen=limit)
        self.matched = 0
        self.left_out = 0
        self.lines = 0
        self.unreadable = 0
        self.problems: dict[str, str] = {}

    def add(self, line: AuditLine) -> None:
        """Add a decision."""
        self.matched += 1
        if self.found and self.found[-1].is_equal(line):
            self.found[-1].count += 1
            self.found[-1].last = line.time
            return
        if len(self.found) == self.found.maxlen:
            self.left_out += self.found[0].count
        self.found.append(Found(line, 1, line.time))


def as_json(findings: Findings) -> str:
    """Return the findings as one JSON object."""
    report = {
        "decisions": [_members(each) for each in findings.found],
        "matched": findings.matched,
        "left_out": findings.left_out,
        "lines": findings.lines,
        "unreadable": findings.unreadable,
        "problems": findings.problems,
    }
    return json.dumps(report, indent=2) + "\n"


def as_text(findings: Findings) -> str:
    """Return the findings as text, one paragraph for each; no terminal can misread it."""
    paragraphs = ["\n".join(_paragraph(each)) + "\n" for each in findings.found]
    return "\n".join(paragraphs)


def shown_notes(findings: Findings) -> Iterator[str]:
    """Yield what a reader has to know about the search, for standard error."""
    if not findings.matched:
        yield (
            f"no such decision in {findings.lines:,} lines. A line has a user only if the token's"
            " signature was good: search by --room, --client or --request-id, too"
        )
    if findings.left_out:
        yield f"{findings.left_out:,} earlier decisions are not shown; --last NUMBER shows more"
    if findings.unreadable:
        yield f"{findings.unreadable:,} lines are not of this program's log, or cut off"
    for name, problem in findings.problems.items():
        yield f"{name}: not read to its end: {problem}"


def _fixed(line: AuditLine) -> dict[str, str | int]:
    return {name: value for name, value in line.fields.items() if name not in _VARYING}


def _members(found: Found) -> dict[str, Any]:
    line = found.line
    cause, cure = _why(line)
    return {
        **line.fields,
        "outcome": line.outcome,
        "count": found.count,
        "last": datetime.fromtimestamp(found.last, UTC).isoformat(),
        "why": cause,
        "cure": cure,
        "documentation": _documentation(line),
    }


def _paragraph(found: Found) -> Iterator[str]:
    line = found.line
    code = line.text("code")
    head = f"{_local(line.time)}  {_VERDICTS[line.outcome]}" + (f": {code}" if code else "")
    if found.count > 1:
        head += f"  ({found.count:,} times until {_local(found.last)})"
    yield escape_unprintable(head)
    yield from (f"  {label:9} {escape_unprintable(text)}" for label, text in _facts(line) if text)


def _facts(line: AuditLine) -> Iterator[tuple[str, str]]:
    cause, cure = _why(line)
    yield "why", cause
    yield "change", cure
    yield "expected", line.text("expected")
    yield "found", line.text("found")
    yield "user", _user(line)
    yield "client", line.text("client")
    yield "room", line.text("room")
    yield "tenant", line.text("tenant")
    yield "token", line.text("token_id")
    yield "request", " ".join(filter(None, (line.text("endpoint"), line.text("request_id"))))
    yield "see", _documentation(line) or ""


def _user(line: AuditLine) -> str:
    name, user_id = line.text("user_name"), line.text("user_id")
    return f"{name} ({user_id})" if name and user_id else name or user_id


def _why(line: AuditLine) -> tuple[str, str]:
    """Return why a request was denied, in one sentence, and what to change; empty if allowed."""
    try:
        general = DENIAL_TEXTS[DenialCode(line.text("code"))]
    except ValueError:  # allowed, or a code of another version
        return line.text("detail"), ""
    cause, cure = split_cause(line.text("cure"))
    if len(line.text("cure")) >= LONGEST_VALUE or not cure:
        cure = general.cure.replace("`", "")
    return cause or general.meaning.replace("`", ""), cure


def _documentation(line: AuditLine) -> str | None:
    code = line.text("code")
    return f"docs/denial-codes.md#{code}" if code in set(DenialCode) else None


def _local(time: float) -> str:
    moment = datetime.fromtimestamp(time, UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S %z")

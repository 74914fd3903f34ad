"""Reads decisions back from lines of the audit log, and of the log.

A line is one JSON object. A text may stand before it, as syslog, journald and Docker Compose write
it. The object may also be the text in a member of another one: journald's ``MESSAGE``
(``journalctl -o json``), or Docker's ``log``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_OUTCOMES: Final = {
    "denied": "denied",
    "would deny": "would-deny",
    "keep-alive denied": "denied",
    "keep-alive would be denied": "would-deny",
    "allowed": "allowed",
}
_WRAPPERS: Final = ("MESSAGE", "log")
_LATEST: Final = 1e11  # the year 5138, which every time zone can show


class UnreadableLineError(ValueError):
    """The line is not one of this program's, or is cut off."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One recorded decision.

    Attributes:
        time: When it was made, Unix seconds.
        outcome: ``allowed``, ``denied`` or ``would-deny``.
        fields: The texts and numbers of the line by name.
    """

    time: float
    outcome: str
    fields: Mapping[str, str | int]

    def text(self, name: str) -> str:
        """Return a field as text; empty if the line lacks it."""
        return str(self.fields.get(name, ""))


def parse_line(line: bytes) -> AuditLine | None:
    """Return the decision in a line; None for an empty line, or a log line of another event.

    Raises:
        UnreadableLineError: The line has no JSON object of this program.
    """
    if not line.strip():
        return None
    record = _object_in(line.decode("utf-8", "replace"))
    for wrapper in _WRAPPERS:
        if wrapper in record:
            record = _object_in(_wrapped(record[wrapper]))
    event = record.get("event")
    outcome = str(record.get("outcome", _OUTCOMES.get(str(event), "")))
    if not outcome and isinstance(event, str):
        return None
    if outcome not in _OUTCOMES.values():
        raise UnreadableLineError("no outcome and no event")
    fields = {
        name: value
        for name, value in record.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }
    return AuditLine(_time_of(record), outcome, fields)


def _object_in(text: str) -> dict[str, Any]:
    """Return the JSON object at the end of a text.

    Raises:
        UnreadableLineError: There is none.
    """
    try:
        record = json.loads(text[max(text.find("{"), 0) :])
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UnreadableLineError("no JSON object")
    return record


def _wrapped(value: Any) -> str:
    """Return the text of a member; journald writes unprintable text as an array of bytes."""
    if isinstance(value, list):
        try:
            return bytes(value).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return ""
    return value if isinstance(value, str) else ""


def _time_of(record: Mapping[str, Any]) -> float:
    try:
        moment = datetime.fromisoformat(str(record.get("time")))
        time = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise UnreadableLineError("no time") from None
    if not 0 <= time < _LATEST:
        raise UnreadableLineError("a time that cannot be")
    return time

"""Structured log lines: one event with named fields, as JSON or for a terminal.

A line holds only what its caller names. Values from requests are bounded, and whatever looks like
a token in them is not written.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, Literal

from verifier.tokens.redact import hide_tokens

LOGGER: Final = logging.getLogger("verifier")
_LONGEST: Final = 200

_common_fields: Final[dict[str, Any]] = {}


def set_common_fields(**fields: Any) -> None:
    """Say in every line from now on which of several processes writes it."""
    _common_fields.update(fields)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line; fields that are None are left out, long ones are cut."""
    if LOGGER.isEnabledFor(level):
        given = {name: safe(value) for name, value in fields.items() if value is not None}
        LOGGER.log(level, event, extra={"fields": _common_fields | given})


def log_internal_error(places: str) -> None:
    """Write where the program went wrong, whole: types and places, no value of a request."""
    LOGGER.error("internal error", extra={"fields": _common_fields | {"at": places}})


def traceback_summary(error: BaseException | None) -> str:
    """Return an exception's type and the places that it passed, innermost first, and no value."""
    if error is None:
        return "unknown error"
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in frames]
    return f"{type(error).__qualname__} at {' < '.join(reversed(places))}"


def configure(log_format: Literal["json", "console"], level: str) -> None:
    """Send the verifier's lines, and the warnings of libraries, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _ConsoleFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False
    # Libraries' warnings go the same way, each as one line without its traceback.
    logging.getLogger().handlers[:] = [handler]


def safe(value: Any) -> Any:
    """Bound a value, and write "[token]" for whatever looks like one."""
    if not isinstance(value, str):
        return value
    text = value[:_LONGEST].encode("utf-8", "replace").decode()
    return hide_tokens(text)


def _event(record: logging.LogRecord) -> str:
    """Give an event's name; a library's words, which may quote anything, on one line."""
    words = record.getMessage()
    if hasattr(record, "fields"):
        return words
    return hide_tokens(" ".join(words.split()))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        return json.dumps(
            {
                "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
                "level": record.levelname.lower(),
                "event": _event(record),
                **fields,
            },
        )


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        pairs = " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items())
        return f"{clock} {record.levelname.lower():7} {_event(record)} {pairs}".rstrip()

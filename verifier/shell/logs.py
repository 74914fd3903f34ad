"""Structured log lines: one event with named fields, as JSON or for a terminal.

A line holds only what its caller names. Values from requests are bounded, and whatever looks like
a token in them is not written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

LOGGER: Final = logging.getLogger("verifier")
_LONGEST: Final = 200
# "eyJ" begins every encoded JSON object, in a room's lower-case form too.
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*)*", re.IGNORECASE)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line; fields that are None are left out."""
    if LOGGER.isEnabledFor(level):
        given = {name: _safe(value) for name, value in fields.items() if value is not None}
        LOGGER.log(level, event, extra={"fields": given})


def configure(log_format: Literal["json", "console"], level: str) -> None:
    """Send the verifier's lines, and the warnings of libraries, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _ConsoleFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _TOKEN.sub("[token]", value[:_LONGEST])


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        return json.dumps(
            {
                "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
                "level": record.levelname.lower(),
                "event": record.getMessage(),
                **fields,
            },
        )


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        pairs = " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items())
        return f"{clock} {record.levelname.lower():7} {record.getMessage()} {pairs}".rstrip()

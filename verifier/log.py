"""Structured log lines: one event with named fields, as JSON or as text for a terminal.

An event is a fixed phrase, so that operators can search for it; everything that varies is a field.
A line contains only the fields that its caller names. Long values are cut, and everything that
looks like a token is replaced.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

from verifier.tokens.redact import hide_tokens

LOGGER: Final = logging.getLogger("verifier")
LONGEST_VALUE: Final = 200
"""The longest text of a field, in characters: a client cannot fill the log with one header, and a
host name and a path still fit."""

_PATIENCE: Final = 500  # milliseconds

_common_fields: Final[dict[str, Any]] = {}


def set_common_fields(**fields: Any) -> None:
    """Add these fields to every line from now on, for example the number of the worker."""
    _common_fields.update(fields)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line.

    Args:
        event: A fixed phrase.
        level: The level of the ``logging`` module.
        fields: What varies; fields that are None are left out.
    """
    if LOGGER.isEnabledFor(level):
        shown = {name: loggable(value) for name, value in fields.items() if value is not None}
        LOGGER.log(level, event, extra={"fields": _common_fields | shown})


def log_internal_error(places: str, **fields: str | None) -> None:
    """Log a bug of this program.

    Args:
        places: Comes from ``traceback_summary``, and is not cut.
        fields: What failed, in fixed words; fields that are None are left out.
    """
    shown = {name: value for name, value in fields.items() if value is not None}
    LOGGER.error("internal error", extra={"fields": _common_fields | shown | {"at": places}})


def traceback_summary(error: BaseException | None) -> str:
    """Return an exception's type and the places that it passed, innermost first.

    The message of the exception is left out, because it may quote a request.
    """
    if error is None:
        return "unknown error"
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in frames]
    return f"{type(error).__qualname__} at {' < '.join(reversed(places))}"


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error; if no program reads there, lines are lost, and nothing waits.

    Standard error can be a pipe or a socket whose reader has stopped. The event loop, and the
    supervisor even more, must not stop with it.

    ========= ========================== =======================================================
    state     a line comes               what happens
    ========= ========================== =======================================================
    writable  it can be written          it is written
    writable  it cannot be written       waits up to ``_PATIENCE``, as the reader may only be slow;
                                         then the line is lost: blocked
    blocked   it still cannot be written the line is lost
    blocked   it can be written          a line says how many were lost: writable
    ========= ========================== =======================================================
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._poll: select.poll | None = None
        with contextlib.suppress(OSError, ValueError):  # a stream without a file
            descriptor = sys.stderr.fileno()
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or count it as lost."""
        if self._poll is not None and not self._poll.poll(0 if self._lost else _PATIENCE):
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            fields = {"levelname": "ERROR", "msg": "log: lines lost"}
            report = logging.makeLogRecord(fields | {"fields": _common_fields | {"count": lost}})
            super().emit(report)
        super().emit(record)


def configure_logging(log_format: Literal["json", "console"], level: str) -> None:
    """Write the verifier's lines, and the warnings of libraries, to standard error.

    Args:
        log_format: ``json``, or ``console`` for text.
        level: The name of the lowest level that is written, in lower case.
    """
    handler = StandardError()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _ConsoleFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False
    # The formatters write a library's warning as one line, without its traceback.
    logging.getLogger().handlers[:] = [handler]


def loggable(value: Any) -> Any:
    """Return a value that is fit for a log: cut, and with "[token]" in place of each token."""
    if not isinstance(value, str):
        return value
    # Headers may contain lone surrogates, which UTF-8 cannot express.
    text = value[:LONGEST_VALUE].encode("utf-8", "replace").decode()
    return hide_tokens(text)


def _event(record: logging.LogRecord) -> str:
    """Return the event of this program, or the message of a library on one line."""
    message = record.getMessage()
    if hasattr(record, "fields"):
        return message
    # A library's message is no fixed phrase: it may quote a request.
    return hide_tokens(" ".join(message.split()))


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

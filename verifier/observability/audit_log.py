"""The audit log: one JSON line for each decision, to a file, to syslog or to standard output.

A separate thread writes the lines, so that a slow disk delays no response. Lines go through a
bounded queue. A line is lost when the queue is full or when writing fails. This module counts lost
lines, and logs the count.

logrotate may move the file away at any time: the next line opens a new file.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from queue import Full, Queue
from threading import Lock
from typing import Any, Final, TextIO

from verifier.background import start_thread
from verifier.log import log, loggable
from verifier.observability.sinks import LogContext, Outcome, line_fields

QUEUE_LENGTH: Final = 10_000
"""The number of lines that may wait for the disk."""

CLOSE_TIMEOUT: Final = 5.0
"""The longest time, in seconds, for writing the waiting lines at the end of the process."""

REPORT_INTERVAL: Final = 10.0
"""The least time, in seconds, between two reports of lost lines: the log may be on the same full
disk as the audit log."""

SYSLOG_SOCKET: Final = "/dev/log"

_STDOUT: Final = 1


class AuditLog:
    """A sink for every decision.

    Args:
        target: ``stdout``, ``syslog``, or the path of a file.
        syslog: Path of the socket that syslog listens on.

    Raises:
        OSError: the target cannot be written to.
    """

    def __init__(self, target: str, syslog: str = SYSLOG_SOCKET) -> None:
        handler = _handler(target, syslog)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._queue: Queue[logging.LogRecord | None] = Queue(QUEUE_LENGTH)
        self._handler = handler
        self._lost = LostLines()
        # A daemon thread, because a blocked disk must not keep the process from ending.
        self._writer = start_thread(self._write_all, "audit log")

    def wants(self, outcome: Outcome) -> bool:
        """Return True for every outcome."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        """Queue one line."""
        line = {
            "time": datetime.now(UTC).isoformat(),
            "outcome": record["outcome"],
            # In front of the client, because contrib/fail2ban counts keep-alives apart.
            "keep_alive": record.get("keep_alive"),
            **line_fields(record, context),
            "request_id": loggable(context.request_id),
        }
        text = json.dumps({name: value for name, value in line.items() if value is not None})
        try:
            self._queue.put_nowait(logging.makeLogRecord({"msg": text, "levelname": "INFO"}))
        except Full:
            self._lost.add("the queue was full")
        # Here too, because the writer may be blocked for a long time after the first loss.
        self._lost.report()

    def close(self) -> None:
        """Write the waiting lines, and end; lines that are not written in time are lost."""
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=CLOSE_TIMEOUT)
        self._writer.join(CLOSE_TIMEOUT)
        if self._writer.is_alive():
            self._lost.add("the target accepts no more lines", self._queue.qsize())
            # At exit, logging.shutdown would wait for the handler's lock, and so for the disk.
            atexit.unregister(logging.shutdown)
        else:
            with contextlib.suppress(OSError):  # a full disk; the lines are counted already
                self._handler.close()
        self._lost.report(at_once=True)

    def _write_all(self) -> None:
        for record in iter(self._queue.get, None):
            try:
                self._handler.handle(record)
            except OSError as error:
                self._lost.add(error.strerror or type(error).__name__)
                self._lost.report()


class LostLines:
    """Counts lost lines, and logs the count, at most once in ``REPORT_INTERVAL``.

    Args:
        monotonic: The time, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()  # both the writer and the event loop's thread lose lines
        self._count = 0
        self._reason = ""
        self._reported_at = float("-inf")

    def add(self, reason: str, count: int = 1) -> None:
        """Count lost lines."""
        with self._lock:
            self._count += count
            self._reason = reason

    def report(self, *, at_once: bool = False) -> None:
        """Log how many lines were lost since the last report, if any.

        Args:
            at_once: Whether to report even if the last report was within ``REPORT_INTERVAL``.
        """
        if not self._count:
            return
        with self._lock:
            now = self._monotonic()
            if not at_once and now - self._reported_at < REPORT_INTERVAL:
                return
            lost, self._count, self._reported_at = self._count, 0, now
        log("audit log: lines lost", logging.ERROR, count=lost, error=self._reason)


def _handler(target: str, syslog: str) -> logging.Handler:
    if target == "stdout":
        return _Stdout()
    if target == "syslog":
        handler = _Syslog(syslog, SysLogHandler.LOG_AUTHPRIV)
        handler.ident = "jitsi-verifier: "
        return handler
    # WatchedFileHandler checks before each line whether the path still names the open file.
    return _PrivateFile(Path(target), encoding="utf-8", errors="backslashreplace")


class _RaisingHandler(logging.Handler):
    """A handler that raises errors; other handlers print them, together with the record."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Pass on the error that is being handled."""
        del record
        raise  # noqa: PLE0704  # logging calls this within its except


class _Stdout(_RaisingHandler, logging.StreamHandler[TextIO]):
    """Writes to a duplicate of standard output.

    At its end, Python flushes ``sys.stdout``, and would wait for a reader that does not read. If
    all lines go to the duplicate, Python has nothing to flush.
    """

    def __init__(self) -> None:
        # Standard output was closed at the start. Descriptor 1 may be another file by now.
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        super().__init__(os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8"))

    def close(self) -> None:
        """Close the duplicate."""
        super().close()
        self.stream.close()


class _Syslog(_RaisingHandler, SysLogHandler):
    pass


class _PrivateFile(_RaisingHandler, WatchedFileHandler):
    """A file that its owner can write, its group can read, and other users cannot open.

    The file shows which people met in which rooms.
    """

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o640)

        return open(  # Path.open has no parameter ``opener``; the handler closes the file
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=private
        )

"""The audit log: one JSON line for each decision, to a file, to syslog or to standard output.

Lines are written by a thread of their own, so that a slow disk stops no verdict; what does not fit
into its queue, or cannot be written, is counted and reported. A file that was rotated away is
opened anew.
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
from threading import Lock, Thread
from typing import Any, Final, TextIO

from verifier.log import log, safe
from verifier.observability.sinks import LogContext, Outcome

MOST_WAITING: Final = 10_000
"""Lines that may wait for the disk."""

PATIENCE: Final = 5.0
"""Seconds for what waits to be written at the end."""

SYSLOG_SOCKET: Final = "/dev/log"

_STDOUT: Final = 1

TOLD_EVERY: Final = 10.0
"""Seconds between two reports of lost lines: the log may be on the same full disk."""

_FIELDS: Final = ("outcome", "code", "room", "tenant", "user_id", "token_id")


class AuditLog:
    """A sink that takes every decision.

    Args:
        target: ``stdout``, ``syslog``, or the path of a file.
        syslog: The socket that syslog listens on.

    Raises:
        OSError: the target cannot be written to.
    """

    def __init__(self, target: str, syslog: str = SYSLOG_SOCKET) -> None:
        handler = _handler(target, syslog)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._queue: Queue[logging.LogRecord | None] = Queue(MOST_WAITING)
        self._handler = handler
        self._lost = Lost()
        # A daemon: a disk that is stuck does not keep the process from ending.
        self._writer = Thread(target=self._write_all, name="audit log", daemon=True)
        self._writer.start()

    def wants(self, outcome: Outcome) -> bool:
        """Take every decision."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        """Queue one line."""
        line = {
            "time": datetime.now(UTC).isoformat(),
            **{name: safe(record[name]) for name in _FIELDS if name in record},
            "endpoint": asking.endpoint,
            "request_id": safe(asking.request_id),
        }
        text = json.dumps({name: value for name, value in line.items() if value is not None})
        try:
            self._queue.put_nowait(logging.makeLogRecord({"msg": text, "levelname": "INFO"}))
        except Full:
            self._lost.add("the queue was full")
        self._lost.tell()

    def close(self) -> None:
        """Write what waits, and end; what a stuck disk does not take in time is lost."""
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=PATIENCE)
        self._writer.join(PATIENCE)
        if self._writer.is_alive():
            self._lost.add("the target accepts no more lines", self._queue.qsize())
            # Which would wait for the handler, and so for the disk, when the process ends.
            atexit.unregister(logging.shutdown)
        else:
            with contextlib.suppress(OSError):  # what a full disk did not take is counted
                self._handler.close()
        self._lost.tell(at_once=True)

    def _write_all(self) -> None:
        for record in iter(self._queue.get, None):
            try:
                self._handler.handle(record)
            except OSError as error:
                self._lost.add(error.strerror or type(error).__name__)
                self._lost.tell()


class Lost:
    """Counts lines that nobody will read, and tells of them now and then.

    Args:
        monotonic: Seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()  # both threads lose lines
        self._count = 0
        self._why = ""
        self._told_at = float("-inf")

    def add(self, why: str, count: int = 1) -> None:
        """Count lines."""
        with self._lock:
            self._count += count
            self._why = why

    def tell(self, *, at_once: bool = False) -> None:
        """Log how many there were since this was last told, where there were any."""
        if not self._count:
            return
        with self._lock:
            now = self._monotonic()
            if not at_once and now - self._told_at < TOLD_EVERY:
                return
            lost, self._count, self._told_at = self._count, 0, now
        log("audit log: lines lost", logging.ERROR, count=lost, error=self._why)


def _handler(target: str, syslog: str) -> logging.Handler:
    if target == "stdout":
        return _Stdout()
    if target == "syslog":
        handler = _Syslog(syslog, SysLogHandler.LOG_AUTHPRIV)
        handler.ident = "jitsi-verifier: "
        return handler
    # Looks before each line whether the file is still the one of that name, as SIGHUP would.
    return _PrivateFile(Path(target), encoding="utf-8", errors="backslashreplace")


class _Outspoken(logging.Handler):
    """A handler that raises what others would print, record and all."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Pass on the error that is being handled."""
        del record
        raise  # noqa: PLE0704  # logging calls this within its except


class _Stdout(_Outspoken, logging.StreamHandler[TextIO]):
    """Standard output by a file of its own: Python waits for the usual one when it ends."""

    def __init__(self) -> None:
        if sys.stdout is None:  # closed at the start; by now the number may be somebody else's
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        super().__init__(os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        super().close()
        self.stream.close()


class _Syslog(_Outspoken, SysLogHandler):
    pass


class _PrivateFile(_Outspoken, WatchedFileHandler):
    """A file that says who met whom: for its owner, and its group to read."""

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o640)

        return open(  # Path.open takes no opener; the handler closes it
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=private
        )

"""The audit log: one JSON line for each decision, to a file, to syslog or to standard output.

Lines are written by a thread of their own, so that a slow disk stops no verdict; what does not fit
into its queue is counted and reported. A file that was rotated away is opened anew.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any, Final, TextIO

from verifier.shell.decision_log import Asking, Outcome
from verifier.shell.logs import log, safe

MOST_WAITING: Final = 10_000
"""Lines that may wait for the disk."""

PATIENCE: Final = 5.0
"""Seconds for what waits to be written at the end."""

SYSLOG_SOCKET: Final = "/dev/log"

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
        self._lost = 0
        # A daemon: a disk that is stuck does not keep the process from ending.
        self._writer = Thread(target=self._write_all, name="audit log", daemon=True)
        self._writer.start()

    def wants(self, outcome: Outcome) -> bool:
        """Take every decision."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: Asking) -> None:
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
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            log("audit lines lost", logging.ERROR, count=lost)

    def close(self) -> None:
        """Write what waits, and end; what a stuck disk does not take in time is lost."""
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=PATIENCE)
        self._writer.join(PATIENCE)
        if not self._writer.is_alive():
            self._handler.close()

    def _write_all(self) -> None:
        for record in iter(self._queue.get, None):
            try:
                self._handler.handle(record)
            except OSError:
                self._lost += 1


def _handler(target: str, syslog: str) -> logging.Handler:
    if target == "stdout":
        return _Stdout(sys.stdout)
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
    pass


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

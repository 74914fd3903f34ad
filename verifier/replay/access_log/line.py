"""One line of an access log: nginx' and Apache's combined form, or a JSON object.

The forms are told apart line by line, so that files of several servers can follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from verifier.replay.access_log.logged import (
    LoggedRequest,
    Unasked,
    UnreadableLineError,
    known,
    target_of,
)
from verifier.replay.access_log.records import FIELDS, RecordReader, Role, parse_record
from verifier.replay.access_log.times import unix_time

# What "docker compose logs" and the files of Kubernetes' nodes put before a line.
_PREFIX: Final = re.compile(
    rb"(?:[\w.-]{1,100} +\| |\d{4}-\d\d-\d\dT[0-9:.]{8,20}(?:Z|[+-]\d\d:\d\d) std(?:out|err) F )"
)
# A user name holds no quotation mark (servers escape it), so the first [time] "…" is the real one.
_COMBINED: Final = re.compile(
    rb"(?:(?P<host>[^\s\"]+) )?(?P<address>(?!- )[^\s\"]+) - [^\"]*?"
    rb"\[(?P<time>[^\[\]\"]{1,40})\] \"(?P<request>[^\"\\]*(?:\\.[^\"\\]*)*)\" (?P<status>\d{3})\b",
    re.DOTALL,
)
_CONTRIB: Final = re.compile(rb" gate=[0-9A-Z ,:-]* denial=[a-z-]* ")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v", b"f": b"\f"}
_UPGRADED: Final = b"101"


class LineReader:
    """Reads lines.

    Args:
        fields: Where a JSON line has what; the first of its names that is there counts.
    """

    def __init__(self, fields: Mapping[Role, Sequence[str]] = FIELDS) -> None:
        self._records = RecordReader(fields)

    def read(self, line: bytes) -> LoggedRequest | Unasked:
        """Read one line, without its line end.

        Raises:
            UnreadableLineError: it is of no form that is known.
        """
        prefix = _PREFIX.match(line)
        line = line[prefix.end() if prefix else 0 :].strip(b"\0 \t\r")
        if line.startswith(b"{"):
            record = parse_record(line)
            inner = record.get("log")
            # The files of Docker's own log driver hold each line of a container as a string.
            if isinstance(inner, str) and "stream" in record:
                return self._plain(inner.encode("utf-8", "surrogateescape").strip())
            return self._records.read(record)
        return self._plain(line)

    def _plain(self, line: bytes) -> LoggedRequest | Unasked:
        if line.startswith(b"{"):
            return self._records.read(parse_record(line))
        found = _COMBINED.match(line)
        if found is None:
            return _other(line)
        target = target_of(_text(found["request"]))
        if target is None:
            return Unasked.NO_REQUEST
        return LoggedRequest(
            target,
            unix_time(found["time"].decode("latin-1")),
            known(found["host"].decode("latin-1") if found["host"] else None),
            found["address"].decode("latin-1"),
            found["status"] == _UPGRADED,
        )


def _other(line: bytes) -> Unasked:
    if _CONTRIB.search(line):
        return Unasked.NO_QUERY
    raise UnreadableLineError("neither nginx' combined form nor a JSON object")


def _text(escaped: bytes) -> str:
    r"""Undo the log's escapes: nginx writes ``\xHH``, Apache ``\"`` and ``\n`` too."""
    if b"\\" in escaped:
        escaped = _ESCAPE.sub(_byte, escaped)
    return escaped.decode("utf-8", "surrogateescape")


def _byte(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return _LETTERS.get(escape[2], escape[2])

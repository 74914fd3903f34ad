"""The lines of an access log: the combined form of nginx and Apache, or JSON objects.

The form is recognised line by line, because one log may contain the lines of several servers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from verifier.replay.json_lines import FIELDS, RecordReader, Role, parse_record
from verifier.replay.logged_request import (
    LoggedRequest,
    NotAsked,
    UnreadableLineError,
    known,
    target_of,
    unix_time,
)

# The prefixes of "docker compose logs" and of the log files on Kubernetes' nodes.
_PREFIX: Final = re.compile(
    rb"(?:[\w.-]{1,100} +\| |\d{4}-\d\d-\d\dT[0-9:.]{8,20}(?:Z|[+-]\d\d:\d\d) std(?:out|err) F )"
)
# A user name contains no quotation mark, because servers escape it. So a user name cannot imitate
# [time] "…", and the first such part is the real one.
_COMBINED: Final = re.compile(
    rb"(?:(?P<host>[^\s\"]+) )?(?P<address>(?!- )[^\s\"]+) - [^\"]*?"
    rb"\[(?P<time>[^\[\]\"]{1,40})\] \"(?P<request>[^\"\\]*(?:\\.[^\"\\]*)*)\" (?P<status>\d{3})\b",
    re.DOTALL,
)
# The log format of contrib/nginx, which leaves the query out.
_CONTRIB: Final = re.compile(rb" gate=[0-9A-Z ,:-]* denial=[a-z-]* ")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v", b"f": b"\f"}
_UPGRADED: Final = b"101"


class LineReader:
    """Reads the requests in the lines of an access log.

    Args:
        fields: The member names of JSON lines for each role, in the order of search.
    """

    def __init__(self, fields: Mapping[Role, Sequence[str]] = FIELDS) -> None:
        self._records = RecordReader(fields)

    def read(self, line: bytes) -> LoggedRequest | NotAsked:
        """Return the request in one line, which has no line end.

        Raises:
            UnreadableLineError: The line has no known form.
        """
        prefix = _PREFIX.match(line)
        line = line[prefix.end() if prefix else 0 :].strip(b"\0 \t\r")
        if line.startswith(b"{"):
            record = parse_record(line)
            inner = record.get("log")
            # Docker's log driver json-file writes each line of a container into a JSON string.
            if isinstance(inner, str) and "stream" in record:
                return self._plain(inner.encode("utf-8", "surrogateescape").strip())
            return self._records.read(record)
        return self._plain(line)

    def _plain(self, line: bytes) -> LoggedRequest | NotAsked:
        if line.startswith(b"{"):
            return self._records.read(parse_record(line))
        found = _COMBINED.match(line)
        if found is None:
            return _without_query(line)
        target = target_of(_text(found["request"]))
        if target is None:
            return NotAsked.NO_REQUEST
        return LoggedRequest(
            target,
            unix_time(found["time"].decode("latin-1")),
            known(found["host"].decode("latin-1") if found["host"] else None),
            found["address"].decode("latin-1"),
            found["status"] == _UPGRADED,
        )


def _without_query(line: bytes) -> NotAsked:
    if _CONTRIB.search(line):
        return NotAsked.NO_QUERY
    raise UnreadableLineError("neither nginx' combined form nor a JSON object")


def _text(escaped: bytes) -> str:
    r"""Return a text without the log's escapes: ``\xHH``, and Apache's ``\"`` and ``\n``."""
    if b"\\" in escaped:
        escaped = _ESCAPE.sub(_byte, escaped)
    return escaped.decode("utf-8", "surrogateescape")


def _byte(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return _LETTERS.get(escape[2], escape[2])

"""The lines of an access log: the combined form of nginx and Apache, Envoy's, or JSON objects.

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
    read_request_line,
    unix_time,
)

# The prefixes of "docker compose logs", of the log files on Kubernetes' nodes, and of syslog and
# journald: the time, the machine, and the program.
_ISO_TIME: Final = rb"\d{4}-\d\d-\d\dT[0-9:.]{8,20}(?:Z|[+-]\d\d:\d\d)"
_PREFIX: Final = re.compile(
    rb"(?:[\w.-]{1,100} +\| |" + _ISO_TIME + rb" std(?:out|err) [FP] "
    rb"|(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|" + _ISO_TIME + rb")"
    rb" [\w.-]{1,253} [\w.-]{1,64}(?:\[\d{1,10}\])?: )"
)
# A user name contains no quotation mark, because servers escape it. So a user name cannot imitate
# [time] "…", and the first such part is the real one.
_BEGIN: Final = (
    rb"(?:(?P<host>[^\s\"]+) )?(?P<address>(?!- )[^\s\"]+) - [^\"]*?"
    rb"\[(?P<time>[^\[\]\"]{1,40})\] \"(?P<request>[^\"\\]*(?:\\.[^\"\\]*)*)"
)
_COMBINED: Final = re.compile(_BEGIN + rb"\" (?P<status>\d{3})\b", re.DOTALL)
# Such a line that ends before the status, because a log has a longest line.
_CUT_OFF: Final = re.compile(_BEGIN + rb"(?:\\|\" ?\d{0,2})?\Z", re.DOTALL)
# Envoy's own format. Its time is the start of the request.
_ENVOY: Final = re.compile(
    rb"\[(?P<time>" + _ISO_TIME + rb")\] \"(?P<request>[A-Z]{3,10} [^\s\"]+ HTTP/[0-9.]{1,4})\""
    rb" (?P<status>\d{3}) (?:[^\"]*\"[^\"]*\" \"[^\"]*\" \"[^\"]*\" \"(?P<host>[^\"]*)\")?"
)
# The log format of contrib/nginx, which leaves the query out. ``json_lines`` knows those of
# contrib/haproxy and contrib/envoy, which were such lines before they became JSON.
_CONTRIB: Final = re.compile(rb" denial=[a-z-]* id=[0-9A-Za-z-]* ")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v", b"f": b"\f"}


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
        found = _COMBINED.match(line) or _ENVOY.match(line)
        if found is None:
            return _not_combined(line)
        request = read_request_line(_text(found["request"]))
        if isinstance(request, NotAsked):
            return request
        return LoggedRequest(
            request.target,
            unix_time(found["time"].decode("latin-1")),
            known(found["host"].decode("latin-1") if found["host"] else None),
            found["address"].decode("latin-1") if found.re is _COMBINED else "",
            found["status"].decode(),
            request.method,
            time_is_start=found.re is _ENVOY,
            shows_query="?" in request.target,
        )


def _not_combined(line: bytes) -> NotAsked:
    if _CONTRIB.search(line):
        return NotAsked.NO_QUERY
    if _CUT_OFF.match(line):
        return NotAsked.CUT_OFF
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

"""Log lines that are JSON objects: which member contains what.

Knows the member names of nginx' variables, Caddy, Traefik and Envoy. ``--field`` names others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from verifier.replay.logged_request import (
    LoggedRequest,
    NotAsked,
    RequestLine,
    UnreadableLineError,
    known,
    read_request_line,
    unix_time,
)
from verifier.replay.redaction import is_placeholder

Role = Literal[
    "request", "method", "target", "args", "host", "time", "duration", "address", "status"
]
"""What a member may contain. A line has the request line (``request``) or target and arguments."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)

FIELDS: Final[Mapping[Role, Sequence[str]]] = MappingProxyType(
    {
        "target": ("request_uri", "request.uri", "RequestPath", "url.original"),
        "request": ("request", "requestLine"),
        "method": ("request_method", "request.method", "RequestMethod", "method"),
        "args": ("args", "query_string", "request_query"),
        "host": ("http_host", "host", "request.host", "RequestHost", "vhost", "authority"),
        "time": (
            *("StartUTC", "start_time", "msec", "time_iso8601", "time_local"),
            *("ts", "@timestamp", "timestamp", "time"),
        ),
        "duration": ("request_time", "duration"),
        "address": ("remote_addr", "request.remote_ip", "ClientHost", "client_ip"),
        "status": ("status", "DownstreamStatus", "response_code"),
    }
)
"""The member names of each role, in the order of search; a dot leads into a nested object."""

# Read only if no other member names the target: after a rewrite they contain another path than the
# client sent.
_FALLBACK: Final = ("uri", "path")
# A record with this member and no member but ``path`` for the target has the log format of
# contrib/haproxy or contrib/envoy, which leaves the query out.
_CONTRIB: Final = "denial"
# Times of the start of a request. Other times are those of its line, written at its end.
_START_TIMES: Final = frozenset(("StartUTC", "start_time"))
# The escape that nginx writes into JSON if the log_format lacks escape=json.
_NGINX_ESCAPE: Final = re.compile(r"\\x([0-9A-Fa-f]{2})")
_ASCII_END: Final = 0x80
_STATUS_DIGITS: Final = 3


def parse_record(line: bytes) -> dict[str, Any]:
    """Return the JSON object in a line.

    Raises:
        UnreadableLineError: The line is no JSON object.
    """
    text = line.decode("utf-8", "surrogateescape")
    try:
        try:
            record = json.loads(text, strict=False)
        except ValueError:
            record = json.loads(_NGINX_ESCAPE.sub(_json_escape, text), strict=False)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UnreadableLineError("begins like a JSON object, but is not one")
    return record


class RecordReader:
    """Reads JSON objects.

    Args:
        fields: The member names of each role, in the order of search; a role may be left out.
    """

    def __init__(self, fields: Mapping[Role, Sequence[str]]) -> None:
        self._fields = {
            role: tuple((name, tuple(name.split("."))) for name in fields.get(role, ()))
            for role in ROLES
        }

    def read(self, record: Mapping[str, Any]) -> LoggedRequest | NotAsked:
        """Return the request in one object.

        Raises:
            UnreadableLineError: The object lacks the request or the time.
        """
        request = self._request(record)
        if isinstance(request, NotAsked):
            return request
        name, value = self._find("time", record)
        if value is None:
            raise UnreadableLineError("JSON without a member for the time; see --field")
        time = unix_time(value)
        duration = _seconds(self._find("duration", record)[1])
        return LoggedRequest(
            request.target,
            time if name in _START_TIMES else time - (duration or 0),
            self._text("host", record),
            self._text("address", record) or "",
            _status(self._find("status", record)[1]),
            request.method or (self._text("method", record) or "").upper(),
            time_is_start=name in _START_TIMES or duration is not None,
            shows_query="?" in request.target or bool(self._find("args", record)[0]),
        )

    def _request(self, record: Mapping[str, Any]) -> RequestLine | NotAsked:
        target = self._text("target", record)
        line = None if target else self._text("request", record)
        if line is not None:
            return read_request_line(line)
        for name in _FALLBACK:
            if target is None and name == "path" and _CONTRIB in record:
                return NotAsked.NO_QUERY
            target = target or _clean(record.get(name))
        if target is None:
            # Servers write these values for a request that they could not read.
            members = (*self._fields["target"], *self._fields["request"])
            if any(_member(record, path) in ("", "-") for _, path in members):
                return NotAsked.NO_REQUEST
            raise UnreadableLineError("JSON without a member for the request; see --field")
        if is_placeholder(target):
            return NotAsked.REDACTED
        args = None if "?" in target else self._text("args", record)
        return RequestLine("", target if args is None else f"{target}?{args}")

    def _text(self, role: Role, record: Mapping[str, Any]) -> str | None:
        for _, path in self._fields[role]:
            value = _clean(_member(record, path))
            if value is not None:
                return value
        return None

    def _find(self, role: Role, record: Mapping[str, Any]) -> tuple[str, Any]:
        for name, path in self._fields[role]:
            value = _member(record, path)
            if value is not None:
                return name, value
        return "", None


def _member(record: Any, path: Sequence[str]) -> Any:
    for name in path:
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def _clean(value: Any) -> str | None:
    """Return a member's text, with pairs of surrogates joined; None if it has no text."""
    if not isinstance(value, str):
        return None
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape" if _only_bytes(value) else "replace")
        value = value.decode("utf-8", "surrogateescape")
    return known(value)


def _only_bytes(text: str) -> bool:
    """Return whether every surrogate in the text stands for one byte that is not UTF-8."""
    return not any("\ud800" <= char <= "\udc7f" or "\udd00" <= char <= "\udfff" for char in text)


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < 1e7 else None


def _status(value: Any) -> str:
    """Return a status, three digits; empty if the value is none."""
    text = str(value) if isinstance(value, int | str) else ""
    return text if len(text) == _STATUS_DIGITS and text.isascii() and text.isdigit() else ""


def _json_escape(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return f"\\u00{byte:02x}" if byte < _ASCII_END else f"\\udc{byte:02x}"

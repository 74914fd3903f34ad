"""A line that is a JSON object: which of its members is what.

Knows the names that nginx' variables, Caddy, Traefik and Envoy give them; others can be named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from verifier.replay.access_log.logged import (
    LoggedRequest,
    Unasked,
    UnreadableLineError,
    known,
    target_of,
)
from verifier.replay.access_log.times import unix_time

Role = Literal["request", "target", "args", "host", "time", "duration", "address", "status"]
"""What a member can be: the request line, or target and arguments; and what is beside it."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)

FIELDS: Final[Mapping[Role, Sequence[str]]] = MappingProxyType(
    {
        "target": ("request_uri", "request.uri", "RequestPath", "url.original"),
        "request": ("request", "requestLine"),
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
"""The names that are looked for, the best first; a dot leads into a nested object."""

# Read only where there is no other: behind a rewrite they name another path than was asked for.
_LAST_RESORT: Final = ("uri", "path")
_STARTS: Final = frozenset(("StartUTC", "start_time"))
# What nginx writes into hand-made JSON where the format lacks escape=json.
_NOT_JSON: Final = re.compile(r"\\x([0-9A-Fa-f]{2})")
_ASCII_END: Final = 0x80


def parse_record(line: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UnreadableLineError: the line is none.
    """
    text = line.decode("utf-8", "surrogateescape")
    try:
        try:
            record = json.loads(text, strict=False)
        except ValueError:
            record = json.loads(_NOT_JSON.sub(_escaped, text), strict=False)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UnreadableLineError("begins like a JSON object and is none")
    return record


class RecordReader:
    """Reads JSON objects.

    Args:
        fields: The names of each role, the best first; a role that is not there has none.
    """

    def __init__(self, fields: Mapping[Role, Sequence[str]]) -> None:
        self._fields = {
            role: tuple((name, tuple(name.split("."))) for name in fields.get(role, ()))
            for role in ROLES
        }

    def read(self, record: Mapping[str, Any]) -> LoggedRequest | Unasked:
        """Read one object.

        Raises:
            UnreadableLineError: it lacks the request or the time.
        """
        target = self._target(record)
        if isinstance(target, Unasked):
            return target
        name, written = self._find("time", record)
        if written is None:
            raise UnreadableLineError("JSON without a member for the time; see --field")
        time = unix_time(written)
        duration = _seconds(self._find("duration", record)[1])
        starts = name in _STARTS or duration is not None
        return LoggedRequest(
            target,
            time if name in _STARTS else time - (duration or 0),
            self._text("host", record),
            self._text("address", record) or "",
            str(self._find("status", record)[1]) == "101",
            starts,
        )

    def _target(self, record: Mapping[str, Any]) -> str | Unasked:
        target = self._text("target", record)
        line = None if target else self._text("request", record)
        if line is not None:
            return target_of(line) or Unasked.NO_REQUEST
        for name in _LAST_RESORT:
            target = target or _clean(record.get(name))
        if target is None:
            # A server writes these for a request that it could not read.
            empty = (*self._fields["target"], *self._fields["request"])
            if any(_member(record, path) in ("", "-") for _, path in empty):
                return Unasked.NO_REQUEST
            raise UnreadableLineError("JSON without a member for the request; see --field")
        args = None if "?" in target else self._text("args", record)
        return target if args is None else f"{target}?{args}"

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
    """Give a text, its surrogates joined to the characters that they are parts of."""
    if not isinstance(value, str):
        return None
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape" if _only_bytes(value) else "replace")
        value = value.decode("utf-8", "surrogateescape")
    return known(value)


def _only_bytes(text: str) -> bool:
    return not any("\ud800" <= each <= "\udc7f" or "\udd00" <= each <= "\udfff" for each in text)


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < 1e7 else None


def _escaped(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return f"\\u00{byte:02x}" if byte < _ASCII_END else f"\\udc{byte:02x}"

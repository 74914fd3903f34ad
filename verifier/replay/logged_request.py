"""What one line of an access log says: a request with its time, no request, or nothing readable.

Knows the parts that all forms of log lines share: the request line, the time, and the sign for a
value that is not known. ``access_log`` and ``json_lines`` know the forms.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from verifier.replay.redaction import ends_within_token, is_placeholder

_METHOD: Final = re.compile(r"[A-Za-z_-]{1,32}")
_VERSION: Final = re.compile(r"HTTP/[0-9.]{1,4}")
_TARGET: Final = re.compile(r"/|https?://", re.IGNORECASE)
# What logs write for no value.
_NOTHING: Final = ("-", "", None)

_COMMON_TIME: Final = re.compile(
    r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:\.\d+)? ([+-])(\d{2})(\d{2})",
    re.ASCII,
)
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
# Unix times in seconds have ten digits until the year 2286. A longer number is in milliseconds,
# microseconds or nanoseconds.
_MAX_SECONDS: Final = 1e11
_NEXT_UNIT: Final = 1000.0
_EXPECTED_TIME: Final = "expected a time with its zone, such as [22/Nov/2026:12:00:00 +0000]"


class UnreadableLineError(ValueError):
    """A line has no known form. The text says why and never quotes the line."""


class NotAsked(StrEnum):
    """Why a line is no part of the ratio; also names in the JSON report.

    Either a proxy would not ask the verifier, or the line does not show what it would ask.
    """

    PUBLIC = "public"
    NO_REQUEST = "no-request"
    NO_QUERY = "no-query"
    REDACTED = "redacted"
    CUT_OFF = "cut-off"
    PREFLIGHT = "preflight"
    KEEP_ALIVE = "keep-alive"
    REDIRECT = "redirect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request.

    Attributes:
        target: The request target as it was sent, a path or an absolute URL. Bytes that are not
            UTF-8 are surrogates.
        time: The time of the request, as far as the line tells, Unix seconds.
        host: The host that the request was sent to; None if the line does not contain it.
        address: The client's address; empty if the line does not contain it.
        status: The status of the response, three digits; empty if the line does not contain it.
        method: The method, upper case; empty if the line does not contain it.
        time_is_start: Whether ``time`` is the start of the request, not the time of its line.
        shows_query: Whether the log writes queries: this request has one, or a member for it.
    """

    target: str = field(repr=False)
    time: float
    host: str | None = None
    address: str = ""
    status: str = ""
    method: str = ""
    time_is_start: bool = False
    shows_query: bool = False

    @property
    def upgraded(self) -> bool:
        """Whether the request became a websocket, whose line is written when it closes."""
        return self.status == "101"


class RequestLine(NamedTuple):
    """Method, upper case, and target of a request."""

    method: str
    target: str


def read_request_line(request_line: str) -> RequestLine | NotAsked:
    """Read ``GET /path HTTP/1.1``, or return why it is no request that can be decided."""
    method, _, rest = request_line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not _VERSION.fullmatch(version):
        target = rest  # HTTP/0.9 has no version, and neither has a request line that was cut off
        if ends_within_token(target):
            return NotAsked.CUT_OFF
    if _METHOD.fullmatch(method) and _TARGET.match(target):
        return RequestLine(method.upper(), target)
    if request_line not in _NOTHING and (is_placeholder(target) or is_placeholder(request_line)):
        return NotAsked.REDACTED
    return NotAsked.NO_REQUEST  # a web server answers it with 400


def known(value: str | None) -> str | None:
    """Return a value of a log; None if the log has no value."""
    return None if value in _NOTHING else value


def unix_time(value: Any) -> float:
    """Return the Unix seconds of ``$time_local``, ISO 8601 with a zone, or a Unix time.

    Raises:
        UnreadableLineError: The value is none of these; a time without its zone is not accepted.
    """
    try:
        if isinstance(value, str):
            return _time_of_text(value)
        return _time_of_number(float(value))
    except (TypeError, ValueError, OverflowError):
        raise UnreadableLineError(_EXPECTED_TIME) from None


# Lines that follow each other mostly have the same second.
@lru_cache(maxsize=256)
def _time_of_text(text: str) -> float:
    found = _COMMON_TIME.fullmatch(text)
    if found:
        day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
        # datetime has no second 60: a leap second counts as the last second of its minute.
        clock = int(hour), int(minute), min(int(second), 59)
        return datetime(int(year), _month(month), int(day), *clock, tzinfo=zone).timestamp()
    if text[:1].isdigit() and text[4:5] == "-":
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC).timestamp()
    return _time_of_number(float(text))


def _month(name: str) -> int:
    position = _MONTHS.index(name)
    if position % 3:
        raise ValueError
    return position // 3 + 1


def _time_of_number(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise ValueError
    while value >= _MAX_SECONDS:
        value /= _NEXT_UNIT
    return value

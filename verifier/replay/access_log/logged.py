"""What a line of an access log is: a request, no request, or nothing that can be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_METHOD: Final = re.compile(r"[A-Za-z_-]{1,32}")
_VERSION: Final = re.compile(r"HTTP/[0-9.]{1,4}")
_TARGET: Final = re.compile(r"/|https?://", re.IGNORECASE)


class UnreadableLineError(ValueError):
    """A line is of no form that is known; says why, and never what stands there."""


class Unasked(StrEnum):
    """Why a gate would not be asked about a line, or the line holds nothing to ask about."""

    PUBLIC = "public"
    NO_REQUEST = "no-request"
    NO_QUERY = "no-query"


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request.

    Attributes:
        target: As it was sent, a path or an absolute URL; raw bytes that are no UTF-8 are
            surrogates.
        time: When it came, as far as the line knows, Unix seconds.
        host: The host that it was sent to; None where the log does not say.
        address: The client's address; empty where the log does not say.
        upgraded: It became a websocket, whose line is written when it closes.
        time_is_start: ``time`` is when it came, and not when its line was written.
    """

    target: str = field(repr=False)
    time: float
    host: str | None = None
    address: str = ""
    upgraded: bool = False
    time_is_start: bool = False


def target_of(request_line: str) -> str | None:
    """Give the target of ``GET /path HTTP/1.1``; None for what web servers answer with 400."""
    method, _, rest = request_line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not _VERSION.fullmatch(version):
        target = rest  # HTTP/0.9
    return target if _METHOD.fullmatch(method) and _TARGET.match(target) else None


def known(value: str | None) -> str | None:
    """Give a value that a log has; ``-`` and nothing at all stand for none."""
    return None if value in ("-", "", None) else value

"""Sinks, which record decisions, and the first of them: the lines of the log.

A sink receives a record of each decision that it wants. ``decision_log`` makes the records, and
``audit_log`` and ``tracing`` contain the other sinks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, Protocol

from verifier.log import LOGGER, log
from verifier.rules.model import CODES_AFTER_SIGNATURE, DenialCode

LINES_PER_SECOND: Final = 100
"""The log gets no more lines about denials of one kind: a flood must not fill the disk."""

Outcome = Literal["allowed", "denied", "would-deny"]

_EVENTS: Final = {"denied": "denied", "would-deny": "would deny"}
# Apart, because a client in a meeting repeats them by itself: contrib/fail2ban has another limit.
_KEEP_ALIVE_EVENTS: Final = {
    "denied": "keep-alive denied",
    "would-deny": "keep-alive would be denied",
}
_RECORD_FIELDS: Final = (
    *("detail", "room", "tenant", "user_id", "user_name", "token_id", "key_id"),
    *("step", "expected", "found", "cure"),
)


@dataclass(frozen=True, slots=True)
class LogContext:
    """What a sink may record about the request that caused a decision.

    Attributes:
        endpoint: The endpoint's name, as in metrics.
        seconds: The time from the request's head to its answer.
        request_id: The proxy's name for the request, if there is one.
        traceparent: The trace that the request belongs to (W3C Trace Context), if there is one.
        client: The client's IP address, if a trusted proxy said it.
    """

    endpoint: str
    seconds: float
    request_id: str | None = None
    traceparent: str | None = None
    client: str | None = None


class Sink(Protocol):
    """A place where decisions are recorded."""

    def wants(self, outcome: Outcome) -> bool:
        """Return whether the sink records decisions with this outcome."""

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        """Record one decision; must neither wait nor raise.

        Args:
            record: From ``DecisionLog``: its texts are cut, and contain no token.
            context: The request. Its texts may contain a token, except the client's address.
        """


def line_fields(record: Mapping[str, Any], context: LogContext) -> dict[str, Any]:
    """Return the fields of a line about a decision, in the log and in the audit log.

    Those that no client can choose are first: contrib/fail2ban matches the start of a line.
    """
    return {
        "client": context.client,
        "code": record.get("code"),
        "endpoint": context.endpoint,
        "request_id": context.request_id,
        **{name: record.get(name) for name in _RECORD_FIELDS},
    }


class RateLimit:
    """Allows ``LINES_PER_SECOND`` actions in each second.

    Args:
        monotonic: The time, in seconds.

    Attributes:
        refused: How many actions were refused in the last second that is over.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._second = 0
        self._count = 0
        self.refused = 0

    def allows(self) -> bool:
        """Count one action, and return whether it is allowed."""
        second = int(self._monotonic())
        if second != self._second:
            self.refused = max(0, self._count - LINES_PER_SECOND)
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= LINES_PER_SECOND


class _Kind(Enum):
    """The kinds of denials."""

    NO_ATTEMPT = 1  # keep-alives, and requests without a token
    UNSIGNED = 2
    SIGNED = 3


class LogLines:
    """Writes one log line for each denial, up to a rate, and for each allow at level debug.

    Each kind of denials has a rate of its own, so that a client without a token can hide neither
    the tokens that it guesses nor the lines about people whose tokens have a good signature.

    Args:
        monotonic: The time, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate_limits = {kind: RateLimit(monotonic) for kind in _Kind}

    def wants(self, outcome: Outcome) -> bool:
        """Return whether a decision with this outcome is logged at the current level."""
        return outcome != "allowed" or LOGGER.isEnabledFor(logging.DEBUG)

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        """Write one line."""
        fields = line_fields(record, context)
        if record["outcome"] == "allowed":
            log("allowed", logging.DEBUG, **fields)
        elif self._is_allowed(_kind(record)):
            events = _KEEP_ALIVE_EVENTS if record.get("keep_alive") else _EVENTS
            log(events[record["outcome"]], **fields)

    def _is_allowed(self, kind: _Kind) -> bool:
        limit = self._rate_limits[kind]
        allowed = limit.allows()
        # The first line of the next second reports the number, because it is final then.
        refused, limit.refused = limit.refused, 0
        if refused:
            log("rate limit: denials not logged", logging.WARNING, count=refused)
        return allowed


def _kind(record: Mapping[str, Any]) -> _Kind:
    code = record.get("code")
    if record.get("keep_alive") or code == DenialCode.TOKEN_MISSING:
        return _Kind.NO_ATTEMPT
    return _Kind.SIGNED if code in CODES_AFTER_SIGNATURE else _Kind.UNSIGNED

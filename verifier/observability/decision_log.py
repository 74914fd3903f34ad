"""What is written down about decisions: log lines, the audit log, spans; each is a sink.

A record is made with the answer, and kept with it, so that an answer that is given again is
written down again. It never holds a token, and of a token's claims only those whose signature has
been verified. Knows no HTTP.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from verifier.decisions.verifier import Verifier
from verifier.explain import explain
from verifier.keys.model import KeyLookup, KeySet
from verifier.log import LOGGER, log
from verifier.rooms.address import RoomAddress
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode
from verifier.rules.token import read_token
from verifier.tokens.claims import Claims
from verifier.tokens.jws import token_digest

LINES_A_SECOND: Final = 100
"""Log lines of refusals beyond this are counted, not written: a flood must fill no disk."""

Outcome = Literal["allowed", "denied", "would-deny"]

_CODES: Final = tuple(DenialCode)
_BEFORE_THE_CLAIMS: Final = frozenset(
    (*_CODES[: _CODES.index(DenialCode.EXPIRY_MALFORMED)], DenialCode.OVERLOADED)
)


@dataclass(frozen=True, slots=True)
class LogContext:
    """The request that a decision answers, as far as anybody is told of it.

    Attributes:
        endpoint: Which one was asked, by its name in metrics.
        seconds: How long the answer took.
        request_id: The proxy's name for the request, if it has one.
        traceparent: The trace that the request belongs to (W3C Trace Context), if any.
    """

    endpoint: str
    seconds: float
    request_id: str | None = None
    traceparent: str | None = None


class Sink(Protocol):
    """Where decisions are written down."""

    def wants(self, outcome: Outcome) -> bool:
        """Tell whether it takes decisions that end like this."""

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        """Write one decision down; must not wait, and must not raise."""


class _Bound:
    """Lets ``LINES_A_SECOND`` pass in each second.

    Attributes:
        left_out: How many did not, in the last second that is over.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._second = 0
        self._asked = 0
        self.left_out = 0

    def passes(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self.left_out = max(0, self._asked - LINES_A_SECOND)
            self._second, self._asked = second, 0
        self._asked += 1
        return self._asked <= LINES_A_SECOND


class DecisionLog:
    """Makes records, and hands them to the sinks.

    Args:
        sinks: Where decisions are written down.
        report_only: Whether refusals are only reported, and therefore explained, which costs
            several times what judging does: no more than can be logged.
        monotonic: Seconds, for that bound.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        report_only: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sinks = sinks
        self._report_only = report_only
        self._explained = _Bound(monotonic)

    def record(
        self,
        decision: Decision,
        question: AccessRequest,
        address: RoomAddress | None = None,
        judge: Verifier | None = None,
    ) -> bytes:
        """Say in JSON what is to be written down about a decision; empty where nobody cares.

        Args:
            decision: The verdict.
            question: What was judged.
            address: The room, where a URL named it.
            judge: Who judged it.
        """
        outcome: Outcome = "allowed"
        if not isinstance(decision, Allow):
            outcome = "would-deny" if self._report_only else "denied"
        if not any(sink.wants(outcome) for sink in self._sinks):
            return b""
        fields = {
            "outcome": outcome,
            **_place(question, address),
            **_bearer(decision, question, judge),
        }
        if not isinstance(decision, Allow):
            fields |= {"code": decision.code, "detail": decision.detail, "key_id": decision.key_id}
            if self._report_only and judge is not None and self._explained.passes():
                fields |= _reason(decision.code, question, judge)
        return json.dumps({name: value for name, value in fields.items() if value}).encode()

    def write(self, record: bytes, asking: LogContext) -> None:
        """Hand a record to everybody who wants it."""
        fields = json.loads(record)
        for sink in self._sinks:
            if sink.wants(fields["outcome"]):
                sink.write(fields, asking)


class LogLines:
    """One line for each refusal, and at level debug for each allow; a flood is cut short.

    Args:
        monotonic: Seconds, for the flood's bound.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bound = _Bound(monotonic)

    def wants(self, outcome: Outcome) -> bool:
        """Take refusals, and whatever the log's level asks for."""
        return outcome != "allowed" or LOGGER.isEnabledFor(logging.DEBUG)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        """Write one line."""
        fields = {name: value for name, value in record.items() if name in _LOGGED}
        fields |= {"endpoint": asking.endpoint, "request_id": asking.request_id}
        if record["outcome"] == "allowed":
            log("allowed", logging.DEBUG, **fields)
        elif self._has_room():
            log(_EVENTS[record["outcome"]], **fields)

    def _has_room(self) -> bool:
        has_room = self._bound.passes()
        left_out, self._bound.left_out = self._bound.left_out, 0
        if left_out:
            log("denials not written", logging.WARNING, count=left_out)
        return has_room


_EVENTS: Final = {"denied": "denied", "would-deny": "would deny"}
_LOGGED: Final = ("code", "detail", "room", "key_id", "step", "expected", "found", "cure")


def _place(question: AccessRequest, address: RoomAddress | None) -> dict[str, Any]:
    if address is None:
        return {"room": question.room_jid, "tenant": question.query_prefix}
    return {"room": question.room_jid or address.room, "tenant": address.tenant}


def _bearer(decision: Decision, question: AccessRequest, judge: Verifier | None) -> dict[str, Any]:
    """Say who the token is for and which one it is, as far as its signature vouches for that.

    A host that is not served has no judge, and nobody has looked at the token.
    """
    if question.token is None:
        return {}
    claims: Claims | None
    if isinstance(decision, Allow):
        claims = decision.claims
    elif judge is None or decision.code in _BEFORE_THE_CLAIMS:
        claims = None
    else:
        claims = Claims(read_token(question.token).claims)
    user, token_id = (claims.user.get("id"), claims.raw.get("jti")) if claims else (None, None)
    if not isinstance(token_id, str) or not token_id:
        token_id = f"sha256:{token_digest(question.token)}"
    return {"user_id": user if isinstance(user, str | int) else None, "token_id": token_id}


def _reason(code: DenialCode, question: AccessRequest, judge: Verifier) -> dict[str, Any]:
    """Give the step that failed, as ``explain`` tells it."""
    if code is DenialCode.OVERLOADED:  # explaining would be the work that there was no time for
        return {}
    keys: KeyLookup = judge.keys
    if code is DenialCode.KEYS_UNAVAILABLE:  # as ``Verifier`` has judged it
        keys = KeySet(keys.static, unavailable=True)
    explanation = explain(question, judge.policy, keys, judge.now(), judge.revoked)
    failed = next((step for step in explanation.steps if step.result == "fail"), None)
    if failed is None or explanation.code is not code:
        return {}
    return {
        "step": failed.name,
        "expected": failed.expected,
        "found": failed.found,
        "cure": failed.cure,
    }

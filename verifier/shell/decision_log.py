"""One line for each refusal, and on demand for each allow; a flood of them is cut short.

What a line says is written down with the answer, so that an answer that is kept can be logged
again. Knows no HTTP; a token or a claim that is none of the named ones never gets here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Final

from verifier.core.decision import AccessRequest, Allow, Decision
from verifier.core.rooms import RoomAddress
from verifier.shell.logs import LOGGER, log

LINES_A_SECOND: Final = 100
"""Refusals beyond this are counted, not written: a flood must fill no disk."""

_NOTHING: Final = b""


class DecisionLog:
    """Writes decisions to the log.

    Args:
        report_only: Whether refusals are only reported.
        monotonic: Seconds, for the flood's bound.
    """

    def __init__(
        self, *, report_only: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._refused = "would deny" if report_only else "denied"
        self._monotonic = monotonic
        self._second = 0
        self._written = 0
        self._left_out = 0

    def record(
        self, decision: Decision, question: AccessRequest, address: RoomAddress | None
    ) -> bytes:
        """Say in JSON what is to be written about a decision; empty where nothing is."""
        room = question.room_jid or (address and address.room) or None
        if isinstance(decision, Allow):
            return json.dumps({"room": room}).encode() if _writes_allows() else _NOTHING
        fields = {
            "code": decision.code,
            "detail": decision.detail,
            "room": room,
            "key_id": decision.key_id,
        }
        return json.dumps(fields).encode()

    def write(self, endpoint: str, record: bytes, request_id: str | None) -> None:
        """Write one line, if there is anything to say and not too much has been said."""
        fields = json.loads(record)
        if "code" not in fields:
            log("allowed", logging.DEBUG, endpoint=endpoint, **fields, request_id=request_id)
        elif self._has_room():
            log(self._refused, endpoint=endpoint, **fields, request_id=request_id)

    def _has_room(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            if self._left_out:
                log(f"{self._refused}, not written", logging.WARNING, lines=self._left_out)
            self._second, self._written, self._left_out = second, 0, 0
        self._written += 1
        self._left_out += self._written > LINES_A_SECOND
        return self._written <= LINES_A_SECOND


def _writes_allows() -> bool:
    return LOGGER.isEnabledFor(logging.DEBUG)

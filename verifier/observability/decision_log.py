"""Records of decisions: their content, and the sinks that a configuration asks for.

A record is made when a decision is made, and is cached with the response, so that a response from
the cache is recorded again. A record never contains a token. It contains claims of a token only if
the signature was verified, because any client can invent the others.

This module does not know HTTP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from verifier.explain import explain
from verifier.keys.model import KeyLookup, KeySet
from verifier.keys.sources.base import KeyObserver
from verifier.log import loggable
from verifier.observability.audit_log import AuditLog
from verifier.observability.sinks import LogContext, LogLines, Outcome, RateLimit, Sink
from verifier.observability.tracing import Spans, TracedKeys, TracingError, open_spans
from verifier.rooms.address import RoomAddress
from verifier.rules.model import (
    CODES_AFTER_SIGNATURE,
    AccessRequest,
    Allow,
    Decision,
    DenialCode,
    RevocationCheck,
)
from verifier.rules.policy import Policy
from verifier.rules.token import read_token
from verifier.tokens.claims import Claims
from verifier.tokens.jws import MalformedError, read, token_digest

# Bytes of a token without a good signature whose record has an explanation.
_LONGEST_EXPLAINED: Final = 1_536
_LONGEST_MALFORMED_EXPLAINED: Final = 1_024
# The steps whose values may be those of a user.
_STEPS_ABOUT_USERS: Final = frozenset({"context", "policy: user id", "revocation", "claim types"})


class DecisionInputs(Protocol):
    """What a decision was based on, besides the request: the verifier of the request's host."""

    @property
    def policy(self) -> Policy:
        """The rules' options."""

    @property
    def keys(self) -> KeyLookup:
        """The known keys."""

    @property
    def revoked(self) -> RevocationCheck | None:
        """The check of revocations, if there is one."""

    def clock(self) -> float:
        """Return the Unix time, in seconds."""


class DecisionLog:
    """Makes records, and writes them to the sinks.

    Args:
        sinks: Where decisions are recorded.
        report_only: Whether denials are only reported.
        personal_data: Whether records name users, and their clients' addresses.
        monotonic: The time for the limit of explanations, in seconds.

    The record of a denial has the step that failed. This costs several times as much as the
    decision, so there are no more explanations than the log accepts lines. Denials before a good
    signature have a limit of their own, so that a flood of bad tokens takes none from the others.

    Attributes:
        personal_data: As above.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        report_only: bool = False,
        personal_data: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.personal_data = personal_data
        self._sinks = sinks
        self._report_only = report_only
        self._explanations = {signed: RateLimit(monotonic) for signed in (False, True)}

    def record(
        self,
        decision: Decision,
        request: AccessRequest,
        address: RoomAddress | None = None,
        inputs: DecisionInputs | None = None,
        *,
        is_keep_alive: bool = False,
    ) -> bytes:
        """Return the record of a decision as JSON; empty if no sink wants it.

        Args:
            decision: The decision.
            request: What was decided.
            address: The room, if a URL named it.
            inputs: The verifier that made the decision; None if the host has none.
            is_keep_alive: Whether the request only keeps a connection in use.
        """
        outcome: Outcome = "allowed"
        if not isinstance(decision, Allow):
            outcome = "would-deny" if self._report_only else "denied"
        if not [sink for sink in self._sinks if sink.wants(outcome)]:
            return b""
        fields = {
            "outcome": outcome,
            **_room_fields(request, address),
            **_token_fields(decision, request, inputs, users=self.personal_data),
            "keep_alive": is_keep_alive,
        }
        if not isinstance(decision, Allow):
            fields |= {"code": decision.code, "detail": decision.detail, "key_id": decision.key_id}
            limit = self._explanations[decision.code in CODES_AFTER_SIGNATURE]
            if inputs is not None and limit.allows():
                step = _failed_step_fields(decision.code, request, inputs)
                if self.personal_data or step.get("step") not in _STEPS_ABOUT_USERS:
                    fields |= step
        # Here and not in the sinks, because a cached response is recorded again and again.
        shown = {name: loggable(value) for name, value in fields.items() if value}
        return json.dumps(shown).encode()

    def write(self, record: bytes, context: LogContext) -> None:
        """Write a record to every sink that wants it."""
        fields = json.loads(record)
        for sink in self._sinks:
            if sink.wants(fields["outcome"]):
                sink.write(fields, context)


class SinkError(Exception):
    """A sink cannot be opened; the text names the option, and what was expected."""


class DecisionSinks:
    """The sinks of one configuration, opened together and closed together.

    Args:
        audit_log: ``stdout``, ``syslog`` or a path; None for no audit log.
        tracing: Whether spans are sent.

    Attributes:
        all: The sinks.

    Raises:
        SinkError: a sink cannot be opened; the others are closed again.
    """

    def __init__(self, audit_log: str | None, *, tracing: bool) -> None:
        self._spans: Spans | None = None
        self._audit: AuditLog | None = None
        try:
            self._spans = open_spans() if tracing else None
            self._audit = AuditLog(audit_log) if audit_log else None
        except TracingError as error:
            raise SinkError(str(error)) from None
        except OSError as error:
            self.close()
            reason = error.strerror or type(error).__name__
            text = f"audit_log (VERIFIER_AUDIT_LOG): {audit_log}: {reason}; expected to write to it"
            raise SinkError(text) from None
        self.all: list[Sink] = [LogLines()]
        self.all += [sink for sink in (self._audit, self._spans) if sink is not None]

    def key_observer(self, observer: KeyObserver) -> KeyObserver:
        """Return an observer that also traces key fetches, if spans are sent."""
        return observer if self._spans is None else TracedKeys(observer, self._spans)

    def close(self) -> None:
        """Write and send all queued records; takes as long as the slowest sink."""
        if self._audit is not None:
            self._audit.close()
        if self._spans is not None:
            self._spans.close()


def _room_fields(request: AccessRequest, address: RoomAddress | None) -> dict[str, Any]:
    if address is None:
        return {"room": request.room_jid, "tenant": request.query_prefix}
    return {"room": request.room_jid or address.room, "tenant": address.tenant}


def _token_fields(
    decision: Decision, request: AccessRequest, inputs: DecisionInputs | None, *, users: bool
) -> dict[str, Any]:
    """Return the user and the token's id; only what the signature protects."""
    if request.token is None:
        return {}
    claims: Claims | None
    if isinstance(decision, Allow):
        claims = decision.claims
    elif inputs is None or decision.code not in CODES_AFTER_SIGNATURE:
        # `inputs` is None for a host without a verifier: the token was not read at all.
        claims = None
    else:
        claims = Claims(read_token(request).claims)
    token_id = claims.raw.get("jti") if claims else None
    if not isinstance(token_id, str) or not token_id:
        token_id = f"sha256:{token_digest(request.token)}"
    fields: dict[str, Any] = {"token_id": token_id}
    if claims is None or not users:
        return fields
    user_id, name = claims.user.get("id"), claims.user.get("name")
    # A number has at most 19 digits: a token with a longer one is malformed.
    fields |= {"user_id": user_id if isinstance(user_id, str | int) else None}
    return fields | {"user_name": name if isinstance(name, str) else None}


def _failed_step_fields(
    code: DenialCode, request: AccessRequest, inputs: DecisionInputs
) -> dict[str, Any]:
    """Return the step that failed, as ``explain`` reports it."""
    # An explanation would check the signature, and the service has no time for that.
    if code is DenialCode.OVERLOADED:
        return {}
    if code not in CODES_AFTER_SIGNATURE and not _is_cheap_to_explain(request.token):
        return {}
    keys: KeyLookup = inputs.keys
    # The keys may have been fetched since. The explanation must be of the decision as it was made.
    if code is DenialCode.KEYS_UNAVAILABLE:
        keys = KeySet(keys.static, unavailable=True)
    explanation = explain(request, inputs.policy, keys, inputs.clock(), inputs.revoked)
    failed = next((step for step in explanation.steps if step.result == "fail"), None)
    # Time has passed since the decision, so the explanation may have another result.
    if failed is None or explanation.code is not code:
        return {}
    return {
        "step": failed.name,
        "expected": failed.expected,
        "found": failed.found,
        "cure": failed.cure,
    }


def _is_cheap_to_explain(token: str | None) -> bool:
    """Return whether an explanation costs little: it reads the token several times.

    Any client can send such a token. To read a malformed one as Jitsi does takes longer.
    """
    if token is None or len(token) <= _LONGEST_MALFORMED_EXPLAINED:
        return True
    if len(token) > _LONGEST_EXPLAINED:
        return False
    try:
        read(token)
    except MalformedError:
        return False
    return True

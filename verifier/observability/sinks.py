"""The sinks that a configuration asks for, opened together and closed together."""

from __future__ import annotations

from verifier.keys.sources.base import KeyObserver
from verifier.observability.audit_log import AuditLog
from verifier.observability.decision_log import LogLines, Sink
from verifier.observability.tracing import Spans, TracedKeys, TracingError, open_spans


class SinkError(Exception):
    """A sink cannot be opened; says which option, and what was expected."""


class DecisionSinks:
    """Where decisions are written down, and key fetches traced.

    Args:
        audit_log: ``stdout``, ``syslog`` or a path; None for no audit log.
        tracing: Whether spans are sent.

    Raises:
        SinkError: one of them cannot be opened.
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
        """Give an observer that has key fetches traced, where anything is."""
        return observer if self._spans is None else TracedKeys(observer, self._spans)

    def close(self) -> None:
        """Write and send what waits; may take as long as the slowest of them."""
        if self._audit is not None:
            self._audit.close()
        if self._spans is not None:
            self._spans.close()

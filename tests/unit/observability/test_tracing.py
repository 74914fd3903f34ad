from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from verifier.keys.sources.base import NullKeyObserver
from verifier.observability.sinks import LogContext
from verifier.observability.tracing import Spans, TracedKeys

NOW = 1_800_000_000_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Recorded:
    """Spans that are kept in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.spans = Spans(provider, lambda: NOW)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()


def test_decision_span_is_child_of_proxy_span() -> None:
    recorded = Recorded()
    record = {"outcome": "denied", "code": "room-mismatch", "room": "secret-room", "user_id": "u"}
    recorded.spans.write(record, LogContext("auth", 0.25, None, PARENT))
    (span,) = recorded.all
    assert span.name == "decision"
    assert (span.start_time, span.end_time) == (NOW - 250_000_000, NOW)
    assert dict(span.attributes or {}) == {
        "jitsi_verifier.endpoint": "auth",
        "jitsi_verifier.outcome": "denied",
        "jitsi_verifier.code": "room-mismatch",
    }
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE


@pytest.mark.parametrize("sent", [None, "", "nonsense", f"{PARENT[:-2]}00"])
def test_missing_or_unsampled_parent_is_no_error(sent: str | None) -> None:
    recorded = Recorded()
    recorded.spans.write({"outcome": "allowed"}, LogContext("auth", 0.25, None, sent))
    assert len(recorded.all) == (0 if sent and sent.endswith("-00") else 1)


def test_key_fetch_makes_a_span_and_is_counted() -> None:
    class Counting(NullKeyObserver):
        counted = 0

        def count_fetch(self, *_: object) -> None:
            self.counted += 1

    recorded, counting = Recorded(), Counting()
    TracedKeys(counting, recorded.spans).count_fetch("document", "timeout", 5.0)
    (span,) = recorded.all
    assert (span.name, counting.counted) == ("key fetch", 1)
    assert (span.attributes or {})["jitsi_verifier.result"] == "timeout"
    assert span.parent is None

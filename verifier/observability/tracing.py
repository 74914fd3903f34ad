"""OpenTelemetry spans around decisions and key fetches; needs the extra ``jitsi-verifier[otel]``.

Spans are written when what they span is over: nothing is measured, or imported, where tracing is
off. Where they go is for OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT`` …) to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from verifier.keys.model import Source
from verifier.keys.sources.base import FetchResult, KeyObserver
from verifier.observability.sinks import LogContext, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

NAME: Final = "jitsi-verifier"
_BILLION: Final = 1_000_000_000


class TracingError(Exception):
    """Tracing is asked for, and the extra is not installed."""


class Spans:
    """A sink for decisions, and a taker of key fetches.

    Args:
        provider: Makes the spans.
        clock: Unix time, nanoseconds.
    """

    def __init__(self, provider: TracerProvider, clock: Callable[[], int] = time.time_ns) -> None:
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415  # an extra

        self._provider = provider
        self._tracer = provider.get_tracer(NAME)
        self._parents = tracecontext.TraceContextTextMapPropagator()
        self._clock = clock

    def wants(self, outcome: Outcome) -> bool:
        """Take every decision."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        """Write the span of one decision, below the proxy's own."""
        parent = {"traceparent": asking.traceparent} if asking.traceparent else {}
        named = {
            "endpoint": asking.endpoint,
            "outcome": record["outcome"],
            "code": record.get("code", ""),
        }
        self._span("decision", asking.seconds, named, self._parents.extract(parent))

    def fetched(self, source: str, result: str, seconds: float) -> None:
        """Write the span of one key fetch; many decisions may have waited for it."""
        self._span("key fetch", seconds, {"source": source, "result": result}, None)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()

    def _span(self, name: str, seconds: float, named: Mapping[str, str], parent: Any) -> None:
        end = self._clock()
        attributes = {f"jitsi_verifier.{key}": value for key, value in named.items()}
        start = end - int(seconds * _BILLION)
        span = self._tracer.start_span(
            name, context=parent, attributes=attributes, start_time=start
        )
        span.end(end)


class TracedKeys:
    """A ``KeyObserver`` that has each fetch traced, and passes everything on.

    Args:
        observer: Whom to pass it on to.
        spans: Whom to tell of fetches.
    """

    def __init__(self, observer: KeyObserver, spans: Spans) -> None:
        self.count_lookup = observer.count_lookup
        self.set_last_success = observer.set_last_success
        self.set_key_count = observer.set_key_count
        self.count_skipped = observer.count_skipped
        self._count = observer.count_fetch
        self._spans = spans

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch, and write its span."""
        self._count(source, result, seconds)
        self._spans.fetched(source, result, seconds)


def open_spans() -> Spans:
    """Send spans by OTLP over HTTP.

    Raises:
        TracingError: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracingError(
            "tracing (VERIFIER_TRACING): expected the extra to be installed:"
            " pip install 'jitsi-verifier[otel]'"
        ) from error
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": NAME}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)

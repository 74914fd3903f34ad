"""OpenTelemetry spans of decisions and key fetches; needs the extra ``otel``.

A span is made when the decision or the fetch has ended, from a duration that the metrics need too.
So the service measures nothing in addition, and imports OpenTelemetry only if tracing is on. The
variables of OpenTelemetry (``OTEL_EXPORTER_OTLP_ENDPOINT`` and others) say where spans are sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from verifier.config.problems import how_to_install
from verifier.keys.model import Source
from verifier.keys.sources.base import FetchResult, KeyObserver
from verifier.observability.sinks import LogContext, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

NAME: Final = "jitsi-verifier"
_BILLION: Final = 1_000_000_000


class TracingError(Exception):
    """Tracing is enabled, and the extra is not installed."""


class Spans:
    """A sink for every decision; makes spans of key fetches as well.

    Args:
        provider: OpenTelemetry's provider of tracers.
        clock: Unix time, in nanoseconds.
    """

    def __init__(self, provider: TracerProvider, clock: Callable[[], int] = time.time_ns) -> None:
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415  # an extra

        self._provider = provider
        self._tracer = provider.get_tracer(NAME)
        self._parents = tracecontext.TraceContextTextMapPropagator()
        self._clock = clock

    def wants(self, outcome: Outcome) -> bool:
        """Return True for every outcome."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        """Make the span of one decision, a child of the proxy's span if there is one."""
        parent = {"traceparent": context.traceparent} if context.traceparent else {}
        attributes = {
            "endpoint": context.endpoint,
            "outcome": record["outcome"],
            "code": record.get("code", ""),
        }
        self._add_span("decision", context.seconds, attributes, self._parents.extract(parent))

    def write_key_fetch(self, source: str, result: str, seconds: float) -> None:
        """Make the span of one key fetch."""
        # It has no parent: several decisions, of several traces, may have waited for the fetch.
        self._add_span("key fetch", seconds, {"source": source, "result": result}, None)

    def close(self) -> None:
        """Send the spans that are still queued."""
        self._provider.shutdown()

    def _add_span(self, name: str, seconds: float, values: Mapping[str, str], parent: Any) -> None:
        end = self._clock()
        attributes = {f"jitsi_verifier.{key}": value for key, value in values.items()}
        start = end - int(seconds * _BILLION)
        span = self._tracer.start_span(
            name, context=parent, attributes=attributes, start_time=start
        )
        span.end(end)


class TracedKeys:
    """A ``KeyObserver`` that makes a span of each fetch, and passes every call on.

    Args:
        observer: Receives every call.
        spans: Receives the fetches.
    """

    def __init__(self, observer: KeyObserver, spans: Spans) -> None:
        self.count_lookup = observer.count_lookup
        self.set_last_success = observer.set_last_success
        self.set_key_count = observer.set_key_count
        self.count_skipped = observer.count_skipped
        self.set_skipped = observer.set_skipped
        self._count_fetch = observer.count_fetch
        self._spans = spans

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch, and make its span."""
        self._count_fetch(source, result, seconds)
        self._spans.write_key_fetch(source, result, seconds)


def open_spans() -> Spans:
    """Return spans that are sent by OTLP over HTTP.

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
            f"tracing (VERIFIER_TRACING): found no package that sends spans; expected"
            f" {how_to_install('otel')}"
        ) from error
    resource = Resource.create()
    # The SDK invents this name unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has one.
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": NAME}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)

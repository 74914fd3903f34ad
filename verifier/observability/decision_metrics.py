"""Metrics of decisions: how many, how fast, and how many came from the cache.

These are counted for every request, so that counting must be cheap:

- All label values are known at the start, and the counters of all combinations are bound then,
  because ``labels()`` costs more than everything else that a counter does.
- A decision adds 1 to a plain integer. ``flush`` adds the integers to the counters, before each
  scrape and a few times a second.
- The index of that integer (``outcome_index``) is cached with the response. A response from the
  cache needs no lookup by endpoint, outcome and code.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from verifier.observability.worker_metrics import NAMESPACE, gauge
from verifier.rules.model import UNAVAILABLE_CODES, Allow, Decision, DenialCode

ENDPOINTS: Final = (
    "auth",
    "auth-url",
    "forward-auth",
    "ext-authz",
    "verify",
    "access",
    "check-password",
)
"""The endpoints that decide; a test holds them equal to those of ``http``, which stands above."""

BUCKETS: Final = (
    *(25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""The upper bounds of all histograms of durations, in seconds."""

_ALLOWED: Final = "allowed"
_MODERATOR: Final = "moderator"  # has its own index, and is exposed as ``allowed``
_WOULD_DENY: Final = "would-deny"


class DecisionMetrics:
    """Counts decisions; implements ``decisions.verifier.Observer``.

    Args:
        registry: Where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._measure_cache: Callable[[], int] = lambda: 0
        self._bind_decisions(registry)
        self._bind_cache(registry)

    def _bind_decisions(self, registry: CollectorRegistry) -> None:
        decisions = Counter(
            f"{NAMESPACE}_decisions",
            "Decisions by endpoint, outcome and denial code.",
            ["endpoint", "outcome", "code"],
            registry=registry,
        )
        duration = _BulkHistogram(
            f"{NAMESPACE}_decision_duration_seconds",
            "From a request's head to its answer.",
            ["endpoint"],
            buckets=BUCKETS,
            registry=registry,
        )
        # One index finds an outcome's integer and its counter in two parallel lists.
        outcomes = _outcomes()
        self._outcome_indices = {labels: index for index, labels in enumerate(outcomes)}
        self._counts = [0] * len(outcomes)
        self._counters = [
            decisions.labels(endpoint, _ALLOWED if outcome == _MODERATOR else outcome, code)
            for endpoint, outcome, code in outcomes
        ]
        self._durations = {name: _Durations(duration.labels(name)) for name in ENDPOINTS}
        self._in_flight = gauge(registry, "in_flight", "Requests being answered.", "sum")
        self._in_flight.set(0)  # a dead worker with this number may have left another value
        self._moderators = Counter(
            f"{NAMESPACE}_moderators",
            "Allowed decisions that make the user a moderator.",
            registry=registry,
        )

    def _bind_cache(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            f"{NAMESPACE}_decision_cache_lookups",
            "Requests that were, or were not, answered from the cache.",
            ["result"],
            registry=registry,
        )
        self._hit_counter, self._miss_counter = lookups.labels("hit"), lookups.labels("miss")
        self._hits = self._misses = 0
        self._cache_entries = gauge(registry, "decision_cache_entries", "Cached decisions.", "sum")
        self._cache_entries.set(0)

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one lookup in the decision cache."""
        if hit:
            self._hits += 1
        else:
            self._misses += 1

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""
        return self._in_flight.track_inprogress()

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        """Return the index under which ``count_decision`` counts such decisions."""
        if isinstance(decision, Allow):
            outcome = _MODERATOR if decision.affiliation == "owner" else _ALLOWED
            return self._outcome_indices[endpoint, outcome, ""]
        outcome = _denied_outcome(decision.code) if enforced else _WOULD_DENY
        return self._outcome_indices[endpoint, outcome, decision.code]

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how many seconds its answer took."""
        self._counts[outcome_index] += 1
        durations = self._durations[endpoint]
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds

    def watch_cache_size(self, measure: Callable[[], int]) -> None:
        """Use this function from now on to measure the size of the decision cache."""
        self._measure_cache = measure

    def flush(self) -> int:
        """Move the plain integers to the counters; return the number of decisions."""
        total = 0
        # No await here: the event loop must not count another decision in between.
        for (_, outcome, _), index in self._outcome_indices.items():
            count, self._counts[index] = self._counts[index], 0
            if count:
                total += count
                self._counters[index].inc(count)
                if outcome == _MODERATOR:
                    self._moderators.inc(count)
        self._hit_counter.inc(self._hits)
        self._miss_counter.inc(self._misses)
        self._hits = self._misses = 0
        for durations in self._durations.values():
            durations.flush()
        self._cache_entries.set(self._measure_cache())
        return total


def _outcomes() -> list[tuple[str, str, str]]:
    """Return every possible combination of endpoint, outcome and denial code."""
    return [
        *[(name, outcome, "") for name in ENDPOINTS for outcome in (_ALLOWED, _MODERATOR)],
        *[
            (name, outcome, code)
            for name in ENDPOINTS
            for code in DenialCode
            for outcome in (_denied_outcome(code), _WOULD_DENY)
        ],
    ]


def _denied_outcome(code: DenialCode) -> str:
    return "error" if code in UNAVAILABLE_CODES else "denied"


class _BulkHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_many(self, counts: Sequence[int], total: float) -> None:
        """Add observations: how many fell into each bucket, and their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class _Durations:
    """The durations of one endpoint's answers since the last flush."""

    __slots__ = ("_histogram", "counts", "total")

    def __init__(self, histogram: _BulkHistogram) -> None:
        self._histogram = histogram
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def flush(self) -> None:
        if any(self.counts):
            self._histogram.observe_many(self.counts, self.total)
            self.counts, self.total = [0] * len(self.counts), 0.0

"""Metrics of decisions: how many, how fast, and how many came from the cache.

These are counted for every request, so that counting must be cheap:

- All label values are known at the start, and the counters of all combinations are made then.
- A decision adds 1 to a plain integer. ``flush`` adds the integers to the counters, before each
  scrape and a few times a second.
- The index of that integer (``outcome_index``) is cached with the response. A response from the
  cache needs no lookup by endpoint, outcome and code.

A client that is in a meeting sends a keep-alive once a minute or two, and goes on if it is denied.
Such requests would hide how many people were let in, so they are counted apart, as preflights are.

Shown are about 350 counters of decisions. An alert can only see the first event of a kind if its
counter was shown at zero before, so every denial code is shown at every endpoint. What report-only
mode would deny is shown once it occurs: no alert may depend on it, and it would double the number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from verifier.observability.first_decisions import FirstDecisions
from verifier.observability.registry import Histogram, Registry, SeenTokens, Value
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

PROXY_ENDPOINTS: Final = ENDPOINTS[:4]
"""The endpoints for proxies, which alone see preflights and keep-alives."""

BUCKETS: Final = (
    *(25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""The upper bounds of all histograms of durations, in seconds."""

_ALLOWED: Final = "allowed"
_MODERATOR: Final = "moderator"  # has its own index, and is exposed as ``allowed``
_WOULD_DENY: Final = "would-deny"
_KEEP_ALIVE_OUTCOMES: Final = (_ALLOWED, "denied", _WOULD_DENY, "error")


class DecisionMetrics:
    """Counts decisions; implements ``decisions.verifier.Observer``.

    Args:
        registry: Where the metrics are registered.
        seen: The tokens that were counted.
        clock: Seconds, the same for all workers.
    """

    def __init__(self, registry: Registry, seen: SeenTokens, clock: Callable[[], float]) -> None:
        self._measure_cache: Callable[[], int] = lambda: 0
        self._bind_decisions(registry)
        self._first_decisions = FirstDecisions(
            registry,
            seen,
            [
                (_ALLOWED if outcome == _MODERATOR else outcome, code)
                for _, outcome, code in self._outcome_indices
            ],
            clock,
        )
        self.count_token = self._first_decisions.note
        self._bind_cache(registry)

    def _bind_decisions(self, registry: Registry) -> None:
        decisions = registry.counter(
            "decisions",
            "Decisions by endpoint, outcome and denial code.",
            ["endpoint", "outcome", "code"],
        )
        duration = registry.histogram(
            "decision_duration_seconds", "From a request's head to its answer.", ["endpoint"]
        )
        # One index finds an outcome's integer, its counter and the durations of its endpoint, in
        # parallel lists. A moderator has an integer of its own, and shares the counter of all that
        # are allowed.
        outcomes = _outcomes()
        self._outcome_indices = {labels: index for index, labels in enumerate(outcomes)}
        allowed = {name: decisions.value(name, _ALLOWED, "") for name in ENDPOINTS}
        self._counters = [
            decisions.value(endpoint, outcome, code, rare=outcome == _WOULD_DENY)
            if code
            else allowed[endpoint]
            for endpoint, outcome, code in outcomes
        ]
        self._durations = {
            name: _Durations(duration.histogram(BUCKETS, name)) for name in ENDPOINTS
        }
        self._durations_of = [self._durations[endpoint] for endpoint, _, _ in outcomes]
        self._bind_other_requests(registry)
        self._counts = [0] * len(self._counters)
        in_flight = registry.gauge("in_flight", "Requests being answered.", "sum").value()
        in_flight.set(0)  # a dead worker with this number may have left another value
        self._in_flight = _InFlight(in_flight)
        self._moderators = registry.counter(
            "moderators", "Allowed decisions that make the user a moderator."
        ).value()

    def _bind_other_requests(self, registry: Registry) -> None:
        """Append to the lists what counts keep-alives, and bind the counters of preflights."""
        keep_alives = registry.counter(
            "keep_alives",
            "Keep-alives of connected clients, which are no decisions.",
            ["endpoint", "outcome"],
        )
        preflights = registry.counter(
            "preflights", "CORS preflights that were let through.", ["endpoint"]
        )
        self._keep_alive_indices: dict[tuple[str, str], int] = {}
        not_exposed = _Durations(None)
        for endpoint in PROXY_ENDPOINTS:
            for outcome in _KEEP_ALIVE_OUTCOMES:
                self._keep_alive_indices[endpoint, outcome] = len(self._counters)
                rare = outcome == _WOULD_DENY
                self._counters.append(keep_alives.value(endpoint, outcome, rare=rare))
                self._durations_of.append(not_exposed)
        self._preflights = {name: preflights.value(name) for name in PROXY_ENDPOINTS}

    def _bind_cache(self, registry: Registry) -> None:
        lookups = registry.counter(
            "decision_cache_lookups",
            "Requests that were, or were not, answered from the cache.",
            ["result"],
        )
        self._hit_counter, self._miss_counter = lookups.value("hit"), lookups.value("miss")
        self._hits = self._misses = 0
        entries = registry.gauge("decision_cache_entries", "Cached decisions.", "sum")
        self._cache_entries = entries.value()
        self._cache_entries.set(0)

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one lookup in the decision cache."""
        if hit:
            self._hits += 1
        else:
            self._misses += 1

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""
        return self._in_flight

    def count_preflight(self, endpoint: str) -> None:
        """Count a CORS preflight that was let through without a decision."""
        self._preflights[endpoint].inc()

    def outcome_index(
        self,
        endpoint: str,
        decision: Decision,
        *,
        enforced: bool = True,
        is_keep_alive: bool = False,
    ) -> int:
        """Return the index under which ``count_decision`` counts such decisions."""
        if isinstance(decision, Allow):
            if is_keep_alive:
                return self._keep_alive_indices[endpoint, _ALLOWED]
            outcome = _MODERATOR if decision.affiliation == "owner" else _ALLOWED
            return self._outcome_indices[endpoint, outcome, ""]
        outcome = _denied_outcome(decision.code) if enforced else _WOULD_DENY
        if is_keep_alive:
            return self._keep_alive_indices[endpoint, outcome]
        return self._outcome_indices[endpoint, outcome, decision.code]

    def count_decision(self, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how many seconds its answer took."""
        self._counts[outcome_index] += 1
        durations = self._durations_of[outcome_index]
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
        for index in self._keep_alive_indices.values():
            count, self._counts[index] = self._counts[index], 0
            if count:
                self._counters[index].inc(count)
        self._hit_counter.inc(self._hits)
        self._miss_counter.inc(self._misses)
        self._hits = self._misses = 0
        self._first_decisions.flush()
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


class _InFlight:
    """Counts a request as in flight while the context is entered; several can be at once."""

    __slots__ = ("_gauge",)

    def __init__(self, gauge: Value) -> None:
        self._gauge = gauge

    def __enter__(self) -> None:
        self._gauge.inc()

    def __exit__(self, *_exception: object) -> None:
        self._gauge.inc(-1)


class _Durations:
    """The durations of one endpoint's answers since the last flush.

    Args:
        histogram: Where they are added; None for durations that are not exposed.
    """

    __slots__ = ("_histogram", "counts", "total")

    def __init__(self, histogram: Histogram | None) -> None:
        self._histogram = histogram
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def flush(self) -> None:
        if self._histogram is not None and any(self.counts):
            self._histogram.observe_many(self.counts, self.total)
            self.counts, self.total = [0] * len(self.counts), 0.0

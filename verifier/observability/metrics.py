"""Counts decisions and keys for Prometheus; label values are all known at start.

Children are bound once: ``labels()`` costs more than the rest of a counter together. What is
counted for every decision is a plain integer until somebody looks (``flush``).
"""

from __future__ import annotations

import gc
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import product
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from verifier.keys.model import SKIP_REASONS, SkipReason, Source
from verifier.keys.sources.base import FetchResult, LookupResult
from verifier.observability.worker_metrics import (
    WorkerSlot,
    close_values,
    resident_bytes,
    values_of,
)
from verifier.rules.model import Allow, Decision, DenialCode
from verifier.version import VERSION

ENDPOINTS: Final = (
    "auth",
    "auth-url",
    "forward-auth",
    "ext-authz",
    "verify",
    "access",
    "check-password",
)
_SECONDS: Final = (
    *(25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

_ALLOWED: Final = "allowed"
_MODERATOR: Final = "moderator"  # counted apart, exposed as allowed
_WOULD_DENY: Final = "would-deny"

_ERRORS: Final = (
    DenialCode.KEYS_UNAVAILABLE,
    DenialCode.OVERLOADED,
    DenialCode.STORE_UNAVAILABLE,
)

SOURCES: Final[tuple[Source, ...]] = get_args(Source)
FETCHING: Final[tuple[Source, ...]] = ("asap", "document", "file")


_ALONE: Final = WorkerSlot()


def prepare_worker_files(place: WorkerSlot, *, restarted: bool) -> None:
    """Prepare the files of a worker that does not run; its gauges begin anew, its counters go on.

    Args:
        place: The worker's, with a directory.
        restarted: Whether to count it as one that is started again.
    """
    observer = PrometheusObserver(place)
    if restarted:
        observer.count_restart()
    close_values()
    # Its thousands of parts are in cycles, and whoever is forked next would carry them along.
    del observer
    gc.collect()


class PrometheusObserver:
    """An ``Observer`` and a ``KeyObserver`` with a registry of its own.

    Args:
        place: Which worker's values these are.
    """

    def __init__(self, place: WorkerSlot = _ALONE) -> None:
        self.registry = self._shown = CollectorRegistry()
        self._place = place
        self._cache_size: Callable[[], int] = lambda: 0
        if place.directory is not None:
            self._shown = CollectorRegistry()
        self._shown.register(_Flush(self.flush))  # first: whoever collects sees everything
        with values_of(place):
            self._bind_decisions()
            self._bind_cache()
            self._bind_keys()
            self._bind_reloads()
            self._bind_revocations()
            self._bind_workers()
            self._gauge("build_info", "Always 1.", "max", ["version"]).labels(VERSION).set(1)
        if place.directory is not None:
            MultiProcessCollector(self._shown, str(place.directory))

    def _gauge(
        self,
        name: str,
        documentation: str,
        over_workers: Literal["sum", "min", "max"],
        labels: Sequence[str] = (),
    ) -> Gauge:
        return Gauge(
            f"jitsi_verifier_{name}",
            documentation,
            labels,
            registry=self.registry,
            multiprocess_mode=over_workers,
        )

    def _bind_decisions(self) -> None:
        decisions = Counter(
            "jitsi_verifier_decisions",
            "Decisions by endpoint, outcome and denial code.",
            ["endpoint", "outcome", "code"],
            registry=self.registry,
        )
        duration = _BulkHistogram(
            "jitsi_verifier_decision_duration_seconds",
            "From a request's head to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        outcomes = [
            *[(name, outcome, "") for name in ENDPOINTS for outcome in (_ALLOWED, _MODERATOR)],
            *[
                (name, outcome, code)
                for name in ENDPOINTS
                for code in DenialCode
                for outcome in (_outcome(code), _WOULD_DENY)
            ],
        ]
        self._outcome_indices = {labels: number for number, labels in enumerate(outcomes)}
        self._counts = [0] * len(outcomes)
        self._counters = [
            decisions.labels(name, _ALLOWED if outcome == _MODERATOR else outcome, code)
            for name, outcome, code in outcomes
        ]
        self._durations = {name: _Durations(duration.labels(name)) for name in ENDPOINTS}
        self._in_flight = self._gauge("in_flight", "Requests being answered.", "sum")
        self._in_flight.set(0)  # whatever a worker that died was at
        self._moderators = Counter(
            "jitsi_verifier_moderators",
            "Allowed decisions that make their bearer a moderator.",
            registry=self.registry,
        )

    def _bind_cache(self) -> None:
        lookups = Counter(
            "jitsi_verifier_decision_cache_lookups",
            "Questions that were, or were not, answered from memory.",
            ["result"],
            registry=self.registry,
        )
        self._lookup_counters = {
            hit: lookups.labels("hit" if hit else "miss") for hit in (True, False)
        }
        self._lookup_counts = {True: 0, False: 0}
        self._cache_entries = self._gauge("decision_cache_entries", "Decisions kept.", "sum")
        self._cache_entries.set(0)

    def _bind_keys(self) -> None:
        lookups = Counter(
            "jitsi_verifier_key_lookups",
            "Keys asked for by key id: at hand, not at hand, stale, or known not to be.",
            ["source", "result"],
            registry=self.registry,
        )
        fetches = Counter(
            "jitsi_verifier_key_fetches",
            "Requests to key sources, and key files read.",
            ["source", "result"],
            registry=self.registry,
        )
        skipped = Counter(
            "jitsi_verifier_keys_skipped",
            "Keys that a source sent and that are not trusted.",
            ["source", "reason"],
            registry=self.registry,
        )
        duration = Histogram(
            "jitsi_verifier_key_fetch_duration_seconds",
            "From a request for keys to its answer.",
            ["source"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        success = self._gauge(
            "key_last_success_timestamp_seconds",
            "When a source last gave a good answer; 0 for never.",
            "max",
            ["source"],
        )
        held = self._gauge("keys", "Keys held.", "max", ["source"])
        self._key_lookups = _children(lookups, SOURCES, get_args(LookupResult))
        self._fetches = _children(fetches, FETCHING, get_args(FetchResult))
        self._skipped = _children(skipped, FETCHING, SKIP_REASONS)
        self._fetch_duration = {name: duration.labels(name) for name in FETCHING}
        self._success = {name: success.labels(name) for name in SOURCES}
        self._held = {name: held.labels(name) for name in SOURCES}
        for gauge in (*self._success.values(), *self._held.values()):
            gauge.set(0)

    def _bind_reloads(self) -> None:
        reloads = Counter(
            "jitsi_verifier_config_reloads",
            "Configurations read again.",
            ["result"],
            registry=self.registry,
        )
        self._reloads = {True: reloads.labels("ok"), False: reloads.labels("error")}
        self._last_reload = self._gauge(
            "config_last_reload_successful",
            "Whether the configuration that was read last is the one in use.",
            "min",
        )
        self._last_reload.set(1)

    def _bind_revocations(self) -> None:
        self._revocations = self._gauge("revocations", "Revocations known.", "max")
        self._revocations.set(0)
        self._store_up = self._gauge(
            "revocation_store_up", "Whether the store of revocations could last be used.", "min"
        )
        self._store_up.set(1)

    def _bind_workers(self) -> None:
        workers = self._gauge("workers", "Processes that answer.", "max")
        workers.set(self._place.workers)
        decisions = Counter(
            "jitsi_verifier_worker_decisions",
            "Decisions by worker.",
            ["worker"],
            registry=self.registry,
        )
        memory = self._gauge(
            "worker_resident_memory_bytes",
            "Memory of a worker, what it shares with others included.",
            "sum",  # each sets its own only
            ["worker"],
        )
        self._restarts = Counter(
            "jitsi_verifier_worker_restarts",
            "Workers that ended and were started again.",
            registry=self.registry,
        )
        for worker in map(str, range(self._place.workers)):
            decisions.labels(worker)
            memory.labels(worker).set(0)
        own = str(self._place.worker)
        self._own_decisions, self._own_memory = decisions.labels(own), memory.labels(own)

    def count_lookup(self, source: Source, result: LookupResult) -> None:
        """Count a key that was asked for."""
        self._key_lookups[source, result].inc()

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch and how long it took."""
        self._fetches[source, result].inc()
        self._fetch_duration[source].observe(seconds)

    def set_last_success(self, source: Source, time: float) -> None:
        """Note the last good answer, Unix seconds."""
        self._success[source].set(time)

    def set_key_count(self, source: Source, count: int) -> None:
        """Note how many keys a source holds."""
        self._held[source].set(count)

    def count_skipped(self, source: Source, reason: SkipReason) -> None:
        """Count a key that was sent and is not trusted."""
        self._skipped[source, reason].inc()

    def count_reload(self, *, successful: bool) -> None:
        """Count a configuration that was read again: workers do it together, one speaks for all."""
        if self._place.worker == 0:
            self._reloads[successful].inc()
        self._last_reload.set(1 if successful else 0)

    def set_revocations(self, count: int, *, up: bool) -> None:
        """Note how many revocations are known, and whether their store can be used."""
        self._revocations.set(count)
        self._store_up.set(1 if up else 0)

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request while it is being judged."""
        return self._in_flight.track_inprogress()

    def watch_cache_size(self, measure: Callable[[], int]) -> None:
        """Name who knows how many decisions are kept."""
        self._cache_size = measure

    def count_restart(self) -> None:
        """Count a worker that is started again."""
        self._restarts.inc()

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one look-up in the decision cache."""
        self._lookup_counts[hit] += 1

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        """Give the number that decisions like this are counted under."""
        if isinstance(decision, Allow):
            outcome = _MODERATOR if decision.affiliation == "owner" else _ALLOWED
            return self._outcome_indices[endpoint, outcome, ""]
        outcome = _outcome(decision.code) if enforced else _WOULD_DENY
        return self._outcome_indices[endpoint, outcome, decision.code]

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how long its answer took."""
        self._counts[outcome_index] += 1
        durations = self._durations[endpoint]
        durations.counts[bisect_left(_SECONDS, seconds)] += 1
        durations.total += seconds

    def flush(self) -> None:
        """Hand over what has been counted since the last time, and say how large things are."""
        for (_, outcome, _), number in self._outcome_indices.items():
            count, self._counts[number] = self._counts[number], 0
            if count:
                self._counters[number].inc(count)
                self._own_decisions.inc(count)
                if outcome == _MODERATOR:
                    self._moderators.inc(count)
        for hit, counter in self._lookup_counters.items():
            counter.inc(self._lookup_counts[hit])
            self._lookup_counts[hit] = 0
        for durations in self._durations.values():
            durations.flush()
        self._cache_entries.set(self._cache_size())
        self._own_memory.set(resident_bytes())

    def expose(self) -> bytes:
        """Write all metrics, summed over workers, in Prometheus' text format."""
        return generate_latest(self._shown)


def _children(
    counter: Counter, sources: Iterable[str], results: Iterable[str]
) -> dict[tuple[str, str], Counter]:
    return {
        (source, result): counter.labels(source, result)
        for source, result in product(sources, results)
    }


def _outcome(code: DenialCode) -> str:
    return "error" if code in _ERRORS else "denied"


class _BulkHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_many(self, counts: Sequence[int], total: float) -> None:
        """Add observations: how many fell into each bucket, and their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class _Durations:
    """One endpoint's durations since they were last handed over."""

    __slots__ = ("_child", "counts", "total")

    def __init__(self, child: _BulkHistogram) -> None:
        self._child = child
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def flush(self) -> None:
        if any(self.counts):
            self._child.observe_many(self.counts, self.total)
            self.counts, self.total = [0] * len(self.counts), 0.0


class _Flush(Collector):
    """Has no metrics of its own."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush

    def describe(self) -> Iterable[Metric]:
        """Name nothing."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Hand over what the others will be asked for next."""
        self._flush()
        return ()

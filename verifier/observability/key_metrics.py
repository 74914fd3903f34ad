"""Metrics of keys: lookups, fetches, skipped keys, and how fresh each source is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Final, get_args

from verifier.keys.model import SKIP_REASONS, SOURCES, SkipReason, Source
from verifier.keys.sources.base import FetchResult, LookupResult
from verifier.observability.decision_metrics import BUCKETS
from verifier.observability.registry import Family, Registry, Value

FETCHING: Final[tuple[Source, ...]] = tuple(source for source in SOURCES if source != "secret")
"""The sources that read or fetch keys; the configuration itself contains a secret."""


class KeyMetrics:
    """Counts what happens to keys; implements ``keys.sources.base.KeyObserver``.

    Args:
        registry: Where the metrics are registered.
    """

    def __init__(self, registry: Registry) -> None:
        lookups = registry.counter(
            "key_lookups",
            "Lookups of a key id: hit, miss, stale, or negative (known to be missing).",
            ["source", "result"],
        )
        fetches = registry.counter(
            "key_fetches", "Requests to key sources, and key files read.", ["source", "result"]
        )
        skipped = registry.counter(
            "keys_skipped", "Keys that a source sent and that are not used.", ["source", "reason"]
        )
        duration = registry.histogram(
            "key_fetch_duration_seconds", "From a request for keys to its answer.", ["source"]
        )
        success = registry.gauge(
            "key_last_success_timestamp_seconds",
            "When a source last gave a good answer; 0 for never.",
            "max",
            ["source"],
        )
        unused = registry.gauge(
            "skipped_keys", "Keys of a source that are not used now.", "max", ["source", "reason"]
        )
        held = registry.gauge("keys", "Keys held.", "max", ["source"])
        self._lookups = _bind(lookups, SOURCES, get_args(LookupResult))
        self._fetches = _bind(fetches, FETCHING, get_args(FetchResult))
        self._skipped = _bind(skipped, FETCHING, SKIP_REASONS)
        self._unused = _bind(unused, FETCHING, SKIP_REASONS)
        self._fetch_duration = {name: duration.histogram(BUCKETS, name) for name in FETCHING}
        self._success = {name: success.value(name) for name in SOURCES}
        self._held = {name: held.value(name) for name in SOURCES}
        # A dead worker with this number may have left other values.
        gauges = (*self._success.values(), *self._held.values(), *self._unused.values())
        for child in gauges:
            child.set(0)

    def count_lookup(self, source: Source, result: LookupResult) -> None:
        """Count a lookup of a key."""
        self._lookups[source, result].inc()

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch and its duration."""
        self._fetches[source, result].inc()
        self._fetch_duration[source].observe(seconds)

    def set_last_success(self, source: Source, time: float) -> None:
        """Set the time of the last good response, Unix seconds."""
        self._success[source].set(time)

    def set_key_count(self, source: Source, count: int) -> None:
        """Set the number of keys that a source holds."""
        self._held[source].set(count)

    def count_skipped(self, source: Source, reason: SkipReason) -> None:
        """Count a key that a source sent and that is not used."""
        self._skipped[source, reason].inc()

    def set_skipped(self, source: Source, reasons: Counter[SkipReason]) -> None:
        """Set how many entries of a source are not used now, by reason."""
        if source in FETCHING:  # a secret has no entries
            for reason in SKIP_REASONS:
                self._unused[source, reason].set(reasons[reason])


def _bind(
    family: Family, sources: Iterable[str], results: Iterable[str]
) -> dict[tuple[str, str], Value]:
    """Return the values by their labels, all of them from the start.

    A time series that appears only with its first event has no increase that an alert could see.
    """
    return {
        (source, result): family.value(source, result)
        for source, result in product(sources, results)
    }

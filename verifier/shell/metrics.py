"""Counts decisions and keys for Prometheus; label values are all known at start.

Children are bound once: ``labels()`` costs more than the rest of a counter together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import product
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from verifier.core.decision import Allow, Decision, DenialCode
from verifier.core.key_binding import SKIP_REASONS, SkipReason
from verifier.core.keys import Source
from verifier.shell.keysource.interface import FetchResult, LookupResult
from verifier.shell.version import VERSION

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


SOURCES: Final[tuple[Source, ...]] = get_args(Source)
FETCHING: Final[tuple[Source, ...]] = ("asap", "document", "file")


class PrometheusObserver:
    """An ``Observer`` and a ``KeyObserver`` with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._bind_decisions()
        self._bind_cache()
        self._bind_keys()
        self._bind_reloads()
        build = Gauge("jitsi_verifier_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(VERSION).set(1)

    def _bind_decisions(self) -> None:
        decisions = Counter(
            "jitsi_verifier_decisions",
            "Decisions by endpoint, outcome and denial code.",
            ["endpoint", "outcome", "code"],
            registry=self.registry,
        )
        duration = Histogram(
            "jitsi_verifier_decision_duration_seconds",
            "From a request's head to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._allowed = {name: decisions.labels(name, "allowed", "") for name in ENDPOINTS}
        self._denied = {
            (name, code): decisions.labels(name, _outcome(code), code)
            for name in ENDPOINTS
            for code in DenialCode
        }
        self._duration = {name: duration.labels(name) for name in ENDPOINTS}
        self._in_flight = Gauge(
            "jitsi_verifier_in_flight", "Requests being answered.", registry=self.registry
        )
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
        self._hit, self._miss = lookups.labels("hit"), lookups.labels("miss")
        self._cache_entries = Gauge(
            "jitsi_verifier_decision_cache_entries", "Decisions kept.", registry=self.registry
        )

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
        success = Gauge(
            "jitsi_verifier_key_last_success_timestamp_seconds",
            "When a source last gave a good answer; 0 for never.",
            ["source"],
            registry=self.registry,
        )
        held = Gauge("jitsi_verifier_keys", "Keys held.", ["source"], registry=self.registry)
        self._lookups = _children(lookups, SOURCES, get_args(LookupResult))
        self._fetches = _children(fetches, FETCHING, get_args(FetchResult))
        self._skipped = _children(skipped, FETCHING, SKIP_REASONS)
        self._fetch_duration = {name: duration.labels(name) for name in FETCHING}
        self._success = {name: success.labels(name) for name in SOURCES}
        self._held = {name: held.labels(name) for name in SOURCES}

    def _bind_reloads(self) -> None:
        reloads = Counter(
            "jitsi_verifier_config_reloads",
            "Configurations read again.",
            ["result"],
            registry=self.registry,
        )
        self._reloads = {True: reloads.labels("ok"), False: reloads.labels("error")}
        self._last_reload = Gauge(
            "jitsi_verifier_config_last_reload_successful",
            "Whether the configuration that was read last is the one in use.",
            registry=self.registry,
        )
        self._last_reload.set(1)

    def lookup(self, source: Source, result: LookupResult) -> None:
        """Count a key that was asked for."""
        self._lookups[source, result].inc()

    def fetched(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch and how long it took."""
        self._fetches[source, result].inc()
        self._fetch_duration[source].observe(seconds)

    def succeeded(self, source: Source, time: float) -> None:
        """Note the last good answer, Unix seconds."""
        self._success[source].set(time)

    def keys(self, source: Source, count: int) -> None:
        """Note how many keys a source holds."""
        self._held[source].set(count)

    def skipped(self, source: Source, reason: SkipReason) -> None:
        """Count a key that was sent and is not trusted."""
        self._skipped[source, reason].inc()

    def reloaded(self, *, successful: bool) -> None:
        """Count a configuration that was read again."""
        self._reloads[successful].inc()
        self._last_reload.set(1 if successful else 0)

    def in_flight(self) -> AbstractContextManager[None]:
        """Count a request while it is being judged."""
        return self._in_flight.track_inprogress()

    def cache_size(self, count: Callable[[], int]) -> None:
        """Name who knows how many decisions are kept."""
        self._cache_entries.set_function(count)

    def looked_up(self, *, hit: bool) -> None:
        """Count one look-up in the decision cache."""
        (self._hit if hit else self._miss).inc()

    def decided(self, endpoint: str, decision: Decision, seconds: float) -> None:
        """Count one decision, and how long its answer took."""
        self._duration[endpoint].observe(seconds)
        if isinstance(decision, Allow):
            self._allowed[endpoint].inc()
            if decision.affiliation == "owner":
                self._moderators.inc()
        else:
            self._denied[endpoint, decision.code].inc()

    def expose(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def _children(
    counter: Counter, sources: Iterable[str], results: Iterable[str]
) -> dict[tuple[str, str], Counter]:
    return {
        (source, result): counter.labels(source, result)
        for source, result in product(sources, results)
    }


def _outcome(code: DenialCode) -> str:
    return "error" if code is DenialCode.KEYS_UNAVAILABLE else "denied"

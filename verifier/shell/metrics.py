"""Counts decisions and keys for Prometheus; label values are all known at start.

Children are bound once: ``labels()`` costs more than the rest of a counter together.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from verifier.core.decision import Allow, Decision, DenialCode
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


class PrometheusObserver:
    """An ``Observer`` with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decisions(), self._cache()
        build = Gauge("jitsi_verifier_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(VERSION).set(1)

    def _decisions(self) -> None:
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

    def _cache(self) -> None:
        lookups = Counter(
            "jitsi_verifier_decision_cache_lookups",
            "Questions that were, or were not, answered from memory.",
            ["result"],
            registry=self.registry,
        )
        self._hit, self._miss = lookups.labels("hit"), lookups.labels("miss")
        self.cache_entries = Gauge(
            "jitsi_verifier_decision_cache_entries", "Decisions kept.", registry=self.registry
        )

    def in_flight(self) -> AbstractContextManager[None]:
        """Count a request while it is being judged."""
        return self._in_flight.track_inprogress()

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


def _outcome(code: DenialCode) -> str:
    return "error" if code is DenialCode.KEYS_UNAVAILABLE else "denied"

"""Metrics that the dashboards and rules know already, and that the sidecar does not have yet.

Empty this when they have come: a test fails as soon as one is here and there.
"""

from __future__ import annotations

from typing import Final

AWAITED_METRICS: Final = frozenset(
    {
        "jitsi_verifier_worker_decisions_total",
        "jitsi_verifier_worker_resident_memory_bytes",
        "jitsi_verifier_worker_restarts_total",
        "jitsi_verifier_misses_refused_total",
    }
)

AWAITED_OUTCOMES: Final = frozenset({"would-deny"})

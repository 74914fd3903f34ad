"""Metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from verifier.observability.metrics import Metrics

Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: str) -> Sample:
    """Return the key of a sample, its name without the prefix."""
    return name, frozenset(labels.items())


def samples_of(metrics: Metrics) -> dict[Sample, float]:
    """Return every sample that is exposed."""
    return {
        sample(each.name.removeprefix("jitsi_verifier_"), **each.labels): each.value
        for family in text_string_to_metric_families(metrics.expose().decode())
        for each in family.samples
    }

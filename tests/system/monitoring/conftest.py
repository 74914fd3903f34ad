"""One service, and a real Prometheus that scrapes it, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import MonitoredVerifier, running_monitored_verifier


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredVerifier]:
    """Start the service with a key server."""
    with running_monitored_verifier(tmp_path_factory.mktemp("watched")) as started:
        yield started


@pytest.fixture(scope="module")
def prometheus(
    monitored: MonitoredVerifier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Start Prometheus with the files of ``contrib/prometheus``; it scrapes the service."""
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), monitored.verifier.admin)
    yield started
    started.stop()

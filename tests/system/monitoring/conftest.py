"""One watched sidecar, and a real Prometheus that watches it, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import Watched
from tests.system.monitoring.traffic import watched as start_watched


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Start a sidecar with a key server."""
    with start_watched(tmp_path_factory.mktemp("watched")) as started:
        yield started


@pytest.fixture(scope="module")
def prometheus(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Start Prometheus with the files of ``contrib/prometheus``."""
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), watched.verifier.admin)
    yield started
    started.stop()

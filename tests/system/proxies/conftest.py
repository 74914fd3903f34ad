"""Gates, each started once for all tests of a file that go through it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.upstream import Upstream
from tests.system.proxies.gates import RealGate, ReproducedGate
from tests.system.proxies.programs import PROXIES

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}|jwt=(?!TOKEN)|token=")  # a cure says ?jwt=TOKEN


class QuietUpstream(Upstream):
    """Says nothing of proxies that leave without a word."""

    def __post_init__(self) -> None:
        """Start it."""
        super().__post_init__()
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # not ours


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """Start the Jitsi behind every proxy."""
    server = QuietUpstream()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gate(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealGate | ReproducedGate]:
    """Start the gate that the test names as its parameter; no log of it may hold a token."""
    start = RealGate if request.param in PROXIES else ReproducedGate
    started = start(request.param, tmp_path_factory.mktemp(request.param), upstream)
    yield started
    started.stop()
    assert not _TOKEN.findall(started.logs())

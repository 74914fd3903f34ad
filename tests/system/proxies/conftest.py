"""Gates: each is started once for all tests of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.upstream import Upstream
from tests.system.proxies.gates import RealGate, SimulatedGate
from tests.system.proxies.programs import OTHERS, PROXIES

_TOKEN = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}|jwt=(?!TOKEN)|token="
)  # a log message suggests ?jwt=TOKEN


class QuietUpstream(Upstream):
    """An upstream that reports no error if a proxy closes its connection early."""

    def __post_init__(self) -> None:
        """Start the server."""
        super().__post_init__()
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # proxies close early


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """Start the server in the place of Jitsi, behind every proxy."""
    server = QuietUpstream()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gate(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealGate | SimulatedGate]:
    """Start the gate that is the test's parameter; at the end, its logs may contain no token."""
    is_real = request.param in PROXIES or request.param in OTHERS
    start = RealGate if is_real else SimulatedGate
    started = start(request.param, tmp_path_factory.mktemp(request.param), upstream)
    yield started
    started.stop()
    assert not _TOKEN.findall(started.logs())

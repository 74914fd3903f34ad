"""A sidecar under attack: one process for each file; at the end its log holds no token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.attack.good_requests import OPTIONS, TOKEN
from tests.support.processes import RunningVerifier, running_verifier


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    """Start the sidecar. No request may make it report an internal error."""
    with running_verifier(
        tmp_path_factory.mktemp("attacked"), None, wait=True, **OPTIONS
    ) as running:
        yield running
        assert running.process.poll() is None
    pieces = {part[start : start + 12] for part in TOKEN.split(".") for start in range(24)}
    assert not [piece for piece in pieces if piece in running.log]
    assert '"event": "internal error"' not in running.log
    assert "Traceback" not in running.log

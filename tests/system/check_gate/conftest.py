"""A Jitsi and a service that all gates of this folder have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jitsi import Jitsi
from tests.system.check_gate.gates import CONFIGURATION
from tests.system.nginx.sites import Sidecar


@pytest.fixture(scope="session")
def jitsi() -> Iterator[Jitsi]:
    """Start the server behind every gate."""
    server = Jitsi()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of the service, which is also that of the command."""
    file = tmp_path_factory.mktemp("config") / "verifier.toml"
    file.write_text(CONFIGURATION)
    return file


@pytest.fixture(scope="session")
def sidecar(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """Start the service."""
    unset = {"JWT_APP_ID": "", "JWT_APP_SECRET": ""}
    service = Sidecar(tmp_path_factory.mktemp("sidecar"), {"VERIFIER_CONFIG": str(config), **unset})
    service.start()
    yield service
    service.stop()

"""The Debian package, built once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package for this machine's release of Debian."""
    folder = tmp_path_factory.mktemp("package")
    done = subprocess.run(
        [ROOT / "packaging/deb", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    (built,) = folder.iterdir()
    return built

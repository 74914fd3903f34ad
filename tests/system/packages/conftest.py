"""The Debian package, built once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.supply.release import version
from tests.system.prosody.package import build_package
from tests.system.prosody.releases import this_release


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package for this machine's release of Debian."""
    built = build_package(this_release(), tmp_path_factory.mktemp("building"))
    named = tmp_path_factory.mktemp("package") / f"jitsi-verifier_{version()}_native.deb"
    return Path(shutil.copy(built, named))

"""The Debian package for a release of Debian, built there by the command of the page."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.releases import Release

CHECKOUT: Final = Path("/root/jitsi-verifier")
"""Where a person has the repository."""
_PARTS: Final = (
    "verifier",
    "packaging",
    "contrib",
    "pyproject.toml",
    "requirements.txt",
    "Makefile",
)
_COPY: Final = f"""
mkdir -p {CHECKOUT} {{folder}}/dist
tar -C {ROOT} -cf - --exclude='./.*' --exclude=./dist --exclude=./build --exclude=node_modules . |
    tar -C {CHECKOUT} -xf -
"""


def build_package(release: Release, commands: str, folder: Path) -> Path:
    """Build the package, or return the one that an earlier run has built from the same files.

    Args:
        release: The Debian.
        commands: What the page says.
        folder: An empty folder.
    """
    kept = release.cache / f"jitsi-verifier-{release.suite}-{_digest(commands)}.deb"
    if not kept.exists():
        with DebianCopy(release, folder) as debian:
            debian.run(_COPY.format(folder=folder))
            _share_network_settings(debian)
            debian.run(commands, CHECKOUT, online=True, **_network_variables())
            debian.run(f"cp dist/*.deb {folder}/dist/", CHECKOUT)
        (built,) = (folder / "dist").iterdir()
        for older in release.cache.glob(f"jitsi-verifier-{release.suite}-*.deb"):
            older.unlink()
        partial = kept.with_suffix(".new")
        shutil.copy(built, partial)
        partial.rename(kept)
    return kept


def _digest(commands: str) -> str:
    """Return the digest of all that makes the package, without its documents."""
    found = hashlib.sha256(commands.encode())
    for part in _PARTS:
        files = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def _share_network_settings(debian: DebianCopy) -> None:
    """Give a copy the files with which pip of this machine reaches package indexes."""
    for name in ("/etc/pip.conf", os.environ.get("PIP_CONFIG_FILE"), os.environ.get("PIP_CERT")):
        if name and Path(name).is_file():
            debian.write(name, Path(name).read_text("utf-8"))


def _network_variables() -> dict[str, str]:
    """Return how this machine reaches package indexes."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.lower().endswith("_proxy")
    }

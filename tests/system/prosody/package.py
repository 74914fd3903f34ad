"""The Debian package for a release of Debian, built there by the command of the page."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from tests.support.documents import blocks
from tests.support.paths import DOCS, ROOT
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.releases import Release

_PAGE: Final = (DOCS / "debian-nginx.md").read_text("utf-8")
BUILD: Final = next(block for block in blocks(_PAGE, "sh") if "make deb" in block)
"""The commands that build the package."""
CHECKOUT: Final = Path("/root/jitsi-verifier")
"""Where a person has the repository."""
_PARTS: Final = (
    "verifier",
    "packaging",
    "contrib",
    "pyproject.toml",
    "hatch_build.py",
    "requirements.txt",
    "requirements-build.txt",
    "Makefile",
)
_COPY: Final = f"""
mkdir -p {CHECKOUT} {{folder}}/dist
tar -C {ROOT} -cf - --exclude='./.*' --exclude=./dist --exclude=./build --exclude=node_modules . |
    tar -C {CHECKOUT} -xf -
"""


def build_package(release: Release, folder: Path) -> Path:
    """Build the package, or take the one that an earlier run has built from the same files.

    Args:
        release: The Debian.
        folder: An empty folder.

    Returns:
        The package's path inside the folder.
    """
    kept = release.cache / f"jitsi-verifier-{release.suite}-{_digest(BUILD)}.deb"
    release.cache.mkdir(parents=True, exist_ok=True)
    # Another test may need the same package at the same time.
    with (release.cache / f"{release.suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _build(release, folder, kept)
        # Another checkout of this repository may replace the kept file.
        return Path(shutil.copy(kept, folder))


def _build(release: Release, folder: Path, target: Path) -> None:
    with DebianCopy(release, folder) as debian:
        check_out(debian, folder)
        debian.run(BUILD, CHECKOUT, online=True, **network_variables())
        debian.run(f"cp dist/*.deb {folder}/dist/", CHECKOUT)
    (built,) = (folder / "dist").iterdir()
    for older in release.cache.glob(f"jitsi-verifier-{release.suite}-*.deb"):
        older.unlink()
    partial = target.with_suffix(".new")
    shutil.copy(built, partial)
    partial.rename(target)


def _digest(commands: str) -> str:
    """Return the digest of all that makes the package, without its documents."""
    found = hashlib.sha256(commands.encode())
    for part in _PARTS:
        files = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def check_out(debian: DebianCopy, folder: Path) -> None:
    """Give a copy the repository, and the files with which pip of this machine reaches indexes.

    Args:
        debian: The copy.
        folder: The folder that it shares with the test.
    """
    debian.run(_COPY.format(folder=folder))
    for name in ("/etc/pip.conf", os.environ.get("PIP_CONFIG_FILE"), os.environ.get("PIP_CERT")):
        if name and Path(name).is_file():
            debian.write(name, Path(name).read_text("utf-8"))


def network_variables() -> dict[str, str]:
    """Return how this machine reaches package indexes."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.lower().endswith("_proxy")
    }

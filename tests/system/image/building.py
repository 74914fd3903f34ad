"""Builds a base image of Debian's packages, and the image on top of it, with buildah."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

BASE = "localhost/jitsi-verifier-base"
IMAGE = "localhost/jitsi-verifier"
SUITE = "bookworm"
_BUILDAH = ("buildah", "--storage-driver", "vfs")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def run(*command: str | Path, quiet: bool = False) -> str:
    """Run a command that has to succeed; return its output. ``quiet`` hides standard error."""
    errors = subprocess.DEVNULL if quiet else None
    words = list(map(str, command))
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=errors, text=True, check=True)
    return done.stdout.strip()


def buildah(*arguments: str | Path) -> str:
    """Run buildah; return its output."""
    return run(*_BUILDAH, *arguments)


def make_base(folder: Path) -> str:
    """Build a base image of Debian with Python; return its name."""
    tree = folder / "base"
    packages = "--include=python3-dev,python3-venv,ca-certificates"
    run("debootstrap", "--variant=minbase", packages, SUITE, tree)
    shutil.rmtree(tree / "var/cache/apt/archives")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, tree, "/")
    buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(tree)
    return BASE


def build(base: str) -> None:
    """Build the image from its Dockerfile, with this machine's pip configuration."""
    paths = ("/etc/pip.conf", os.environ.get("PIP_CONFIG_FILE"), os.environ.get("PIP_CERT"))
    files = {path for path in map(Path, filter(None, paths)) if path.is_file()}
    mounts = [f"--volume={path}:{path}:ro" for path in sorted({*files, _CERTIFICATES})]
    buildah(
        *("bud", "--quiet", "--isolation", "chroot", "--format", "docker", *mounts),
        *("--build-arg", f"BASE_IMAGE={base}", "--tag", IMAGE, ROOT),
    )


def size(image: str) -> int:
    """Return the unpacked size of an image, in bytes."""
    (found,) = json.loads(buildah("images", "--json", image))
    container = buildah("from", found["id"])
    try:
        tree = buildah("mount", container)
        return int(run("du", "--summarize", "--bytes", tree).split()[0])
    finally:
        buildah("rm", container)


@dataclass(frozen=True)
class Container:
    """The unpacked files of the image, and its configuration."""

    tree: Path
    config: dict[str, Any]


@contextmanager
def container() -> Iterator[Container]:
    """Unpack the image inside the context."""
    name = buildah("from", IMAGE)
    try:
        config = json.loads(buildah("inspect", name))["Docker"]["config"]
        yield Container(Path(buildah("mount", name)), config)
    finally:
        buildah("rm", name)

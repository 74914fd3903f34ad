"""A base of Debian's own packages, and the image on top of it: with buildah, without a daemon."""

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
    """Run to the end, and give the output; what went wrong goes to standard error, unless quiet."""
    errors = subprocess.DEVNULL if quiet else None
    words = list(map(str, command))
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=errors, text=True, check=True)
    return done.stdout.strip()


def buildah(*arguments: str | Path) -> str:
    """Run buildah."""
    return run(*_BUILDAH, *arguments)


def make_base(folder: Path) -> str:
    """Make a base image of Debian with Python, and nothing else; gives its name."""
    tree = folder / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    run("debootstrap", "--variant=minbase", packages, SUITE, tree)
    shutil.rmtree(tree / "var/cache/apt/archives")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, tree, "/")
    buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(tree)
    return BASE


def build(base: str) -> None:
    """Build the image as its Dockerfile says, with this machine's pip configuration."""
    places = ("/etc/pip.conf", os.environ.get("PIP_CONFIG_FILE"), os.environ.get("PIP_CERT"))
    files = {path for path in map(Path, filter(None, places)) if path.is_file()}
    mounts = [f"--volume={path}:{path}:ro" for path in sorted({*files, _CERTIFICATES})]
    buildah(
        *("bud", "--quiet", "--isolation", "chroot", "--format", "docker", *mounts),
        *("--build-arg", f"BASE_IMAGE={base}", "--tag", IMAGE, ROOT),
    )


def size(image: str) -> int:
    """Give an image's size, bytes, unpacked."""
    (found,) = json.loads(buildah("images", "--json", image))
    container = buildah("from", found["id"])
    try:
        tree = buildah("mount", container)
        return int(run("du", "--summarize", "--bytes", tree).split()[0])
    finally:
        buildah("rm", container)


@dataclass(frozen=True)
class Container:
    """The image's files, and how it says that it is run."""

    tree: Path
    config: dict[str, Any]


@contextmanager
def container() -> Iterator[Container]:
    """Unpack the image until the end of the block."""
    name = buildah("from", IMAGE)
    try:
        config = json.loads(buildah("inspect", name))["Docker"]["config"]
        yield Container(Path(buildah("mount", name)), config)
    finally:
        buildah("rm", name)

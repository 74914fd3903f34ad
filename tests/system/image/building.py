"""Builds a base image of Debian's packages, and the image on top of it, with buildah."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tempfile
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


def find_obstacle() -> str:
    """Return why this machine cannot build the image; empty if it can."""
    if shutil.which(_BUILDAH[0]) is None:
        return "expected buildah, found none: apt-get install buildah, or run docker build"
    return "" if os.geteuid() == 0 else "expected root, which buildah needs here"


def build(base: str) -> None:
    """Build the image from its Dockerfile, with this machine's pip configuration."""
    paths = ("/etc/pip.conf", os.environ.get("PIP_CONFIG_FILE"), os.environ.get("PIP_CERT"))
    files = {path for path in map(Path, filter(None, paths)) if path.is_file()}
    mounts = [f"--volume={path}:{path}:ro" for path in sorted({*files, _CERTIFICATES})]
    options = ["--isolation", "chroot", "--format", "docker", *mounts, *_timestamp()]
    arguments = ["--build-arg", f"BASE_IMAGE={base}", "--tag", IMAGE, str(ROOT)]
    buildah("bud", "--quiet", *options, *arguments)


def _timestamp() -> list[str]:
    """Return the option that sets the time of the image's files, if the caller has chosen one."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return ["--timestamp", epoch] if epoch else []


def export(archive: Path, name: str) -> None:
    """Write the image to a compressed archive, from which ``docker load`` makes ``name``."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "image.tar")
        buildah("push", "--quiet", IMAGE, f"docker-archive:{plain}:{name}")
        # Without a name and a time, the same image gives the same bytes.
        with (
            plain.open("rb") as source,
            archive.open("wb") as target,
            gzip.GzipFile("", "wb", 6, target, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed)


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

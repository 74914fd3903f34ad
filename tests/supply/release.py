"""``python -m tests.supply.release [BASE_IMAGE]`` builds all files of a release into ``dist/``.

It refuses a working tree that differs from its commit, and a version without a date in the
changelog. Times in the files are that of the commit: the same commit gives the same wheel, source
distribution and bill of materials.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.supply import sbom
from tests.support.paths import ROOT
from tests.system.image import building

SUMS: Final = "SHA256SUMS"
Builder = Callable[[Path], None]
"""Builds one or more files into a folder."""


def version(root: Path = ROOT) -> str:
    """Return the version of the project."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    found: str = project["version"]
    return found


def find_obstacles(root: Path = ROOT) -> list[str]:
    """Return why this working tree is no release; an empty list if it is one."""
    obstacles = []
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        obstacles.append(
            f"found changes that are in no commit ({', '.join(line[3:] for line in changed[:5])}); "
            "commit or remove them"
        )
    heading = f"## [{version(root)}]"
    lines = (root / "CHANGELOG.md").read_text("utf-8").splitlines()
    found = [line for line in lines if line.startswith(heading)]
    if not any(re.fullmatch(r"## \[\S+\] - \d{4}-\d\d-\d\d", line) for line in found):
        obstacles.append(
            f"CHANGELOG.md: found {found or 'no such section'}; expected '{heading} - YYYY-MM-DD'"
        )
    return obstacles


def builders(base_image: str | None) -> dict[str, Builder]:
    """Return how each file of the release is built, by file name.

    Args:
        base_image: The image to build on; None makes one from Debian's packages.
    """
    number, machine = version(), _output("dpkg", "--print-architecture")
    wheel = f"jitsi_verifier-{number}-py3-none-any.whl"
    image = f"jitsi-verifier-{number}-image-{machine}.tar.gz"
    return {
        wheel: _python_build("--wheel"),
        f"jitsi_verifier-{number}.tar.gz": _python_build("--sdist"),
        f"jitsi-verifier_{number}_{machine}.deb": _build_deb,
        image: lambda folder: _build_image(base_image, folder / image),
        f"jitsi-verifier-{number}.cdx.json": lambda folder: sbom.write(
            folder / f"jitsi-verifier-{number}.cdx.json"
        ),
    }


def release(folder: Path, files: Mapping[str, Builder]) -> None:
    """Build the files and their checksums into a new folder.

    Raises:
        RuntimeError: a builder made another file than the named one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, build in files.items():
        before = set(folder.iterdir())
        build(folder)
        made = {path.name for path in set(folder.iterdir()) - before}
        if made != {name}:
            raise RuntimeError(f"expected {name}, found {', '.join(sorted(made)) or 'no file'}")
        print(f"built: {folder / name}")
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in sorted(files)]
    (folder / SUMS).write_text("".join(lines))


def _python_build(kind: str) -> Builder:
    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "build", "--quiet", kind, "--outdir", str(folder)]
        subprocess.run(command, cwd=ROOT, check=True)

    return build


def _build_deb(folder: Path) -> None:
    subprocess.run([ROOT / "packaging/deb", folder], check=True, stdout=subprocess.DEVNULL)


def _build_image(base: str | None, archive: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        building.build(base or building.make_base(Path(folder)))
    building.export(archive, f"jitsi-verifier:{version()}")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git(root: Path, *arguments: str) -> str:
    return _output("git", "-C", str(root), *arguments)


def _output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.rstrip("\n")


def main(base_image: str | None) -> int:
    """Build the release, or print why there is none."""
    obstacles = find_obstacles()
    if obstacles:
        print(*(f"no release: {obstacle}" for obstacle in obstacles), sep="\n", file=sys.stderr)
        return 1
    os.environ["SOURCE_DATE_EPOCH"] = _git(ROOT, "log", "-1", "--format=%ct")
    files = builders(base_image)
    reason = building.find_obstacle()
    if reason:
        files = {name: build for name, build in files.items() if "-image-" not in name}
    release(ROOT / "dist", files)
    if reason:
        print(f"NOT BUILT: the image: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))

"""Run the unit tests and the conformance tests on every other CPython that this machine has.

``python -m tests.support.other_pythons`` looks for CPython 3.11 and newer on PATH and below
``~/.pyenv/versions``. Each minor version other than the running one gets a virtual environment of
its own (``.venv-3.13``) with the packages that these tests need. The image is
made of another Python than the one that developers use, and both have to decide alike.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from tests.support.paths import ROOT

Version: TypeAlias = tuple[int, int, int]

_OLDEST: Final = (3, 11)
_NEWEST_MINOR: Final = 20
_PRINT_VERSION: Final = (
    "import sys; print(sys.implementation.name, sys.implementation.cache_tag,"
    " '.'.join(map(str, sys.version_info[:3])), sys.version_info.releaselevel)"
)
_VERSION: Final = re.compile(r"cpython cpython-\d+ (\d+)\.(\d+)\.(\d+) final")
_PYTEST: Final = (
    *("-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"),
    *("-p", "no:cacheprovider", "-m", "not slow"),
)
_TESTS: Final = ("tests/unit", "tests/conformance")


def main() -> int:
    """Run the tests on each version; return 0 if all of them passed."""
    others = find_others()
    for version, python in others.items():
        name = ".".join(map(str, version))
        print(f"\n== CPython {name} ({python}): unit tests and conformance tests", flush=True)
        tested_python = environment(python, version) / "bin" / "python"
        command = [str(tested_python), *_PYTEST, *_TESTS]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status:
            print(f"\n== CPython {name}: failed", flush=True)
            return status
    names = [".".join(map(str, version)) for version in others]
    print(f"\n== other CPythons that passed: {', '.join(names) or 'none was found'}", flush=True)
    return 0


def find_others() -> dict[Version, Path]:
    """Return the newest final release of each other minor version, oldest first, by version."""
    newest: dict[tuple[int, int], tuple[Version, Path]] = {}
    for python in candidates():
        version = version_of(python)
        if version is None or version[:2] < _OLDEST or version[:2] == sys.version_info[:2]:
            continue
        best = newest.get(version[:2])
        if best is None or best[0] < version:
            newest[version[:2]] = version, python
    return dict(sorted(newest.values()))


def candidates() -> Iterator[Path]:
    """Yield every program that may be a CPython; some may not exist or not run."""
    for minor in range(_OLDEST[1], _NEWEST_MINOR + 1):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield Path(found)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(versions.glob("*/bin/python"))


def version_of(python: Path) -> Version | None:
    """Return the version of a CPython; None where the program is another one or does not run."""
    try:
        finished = subprocess.run(
            [python, "-c", _PRINT_VERSION], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.fullmatch(finished.stdout.strip())
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def environment(python: Path, version: Version) -> Path:
    """Return a virtual environment of this Python in which the unit tests can run."""
    folder = ROOT / f".venv-{version[0]}.{version[1]}"
    stamp, project = folder / ".unit", ROOT / "pyproject.toml"
    if stamp.exists() and stamp.stat().st_mtime >= project.stat().st_mtime:
        return folder
    subprocess.run([str(python), "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    extras = ["--editable", f"{ROOT}[otel,redis]", "--group", f"{project}:unit"]
    subprocess.run([*pip, *extras], check=True)
    stamp.touch()
    return folder


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.supply.requirements`` pins and hashes all packages of the image.

One resolution serves every platform and Python version. The files name no package registry.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.paths import ROOT


def extras() -> list[str]:
    """Return the extras in the image: all, because the image has no pip to add one later."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(project["optional-dependencies"])


def build_requires() -> list[str]:
    """Return the packages that build this one, and those that compile it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    hooks = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    build: list[str] = project["build-system"]["requires"] + hooks["custom"]["dependencies"]
    return build


def _compile(target: str, source: str, *more: str, requirements: str = "") -> None:
    command = [
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--upgrade", "--no-annotate"),
        *("--custom-compile-command", "make requirements", "--output-file", target),
    ]
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:], *more, source],
        cwd=ROOT,
        input=requirements,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{target} is unchanged: uv could not resolve it (see its message above)")


if __name__ == "__main__":
    chosen = [f"--extra={name}" for name in extras()]
    _compile("requirements.txt", "pyproject.toml", *chosen)
    _compile("requirements-build.txt", "-", requirements="\n".join(build_requires()))

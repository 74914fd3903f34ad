"""``python -m tests.supply.requirements``: pins and hashes all that the image is made of.

One resolution for every platform and Python version, without the address of any registry.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.paths import ROOT


def extras() -> list[str]:
    """Name the image's extras: all, for nobody can add one to an image without pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(project["optional-dependencies"])


def build_requires() -> list[str]:
    """Give what builds the package."""
    build: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"][
        "requires"
    ]
    return build


def _compile(target: str, source: str, *more: str, given: str = "") -> None:
    command = [
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--upgrade", "--no-annotate"),
        *("--custom-compile-command", "make requirements", "--output-file", target),
    ]
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:], *more, source], cwd=ROOT, input=given, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{target} stays as it was: uv could not resolve it, for the reason above")


if __name__ == "__main__":
    chosen = [f"--extra={name}" for name in extras()]
    _compile("requirements.txt", "pyproject.toml", *chosen)
    _compile("requirements-build.txt", "-", given="\n".join(build_requires()))

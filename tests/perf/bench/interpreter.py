"""The Python of the benchmark: which one is chosen, and how it was built.

Profile-guided and link-time optimisation (PGO, LTO) make this service 13 to 23 % faster, and the
Pythons that pyenv compiles have neither. ``python -m tests.perf.bench.interpreter`` prints the
Python that ``make bench`` uses: the one that runs this module if its build is optimised, else
Debian's own if that is new enough, else the first. It needs the standard library only.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

_DEBIAN: Final = Path("/usr/bin/python3")
_OLDEST: Final = (3, 11)
# Debian builds with PGO and LTO, but removes the options from what sysconfig reports.
_DEBIANS_OWN: Final = "--with-wheel-pkg-dir=/usr/share/python-wheels/"
_QUESTION: Final = (
    "import sys, sysconfig, venv, ensurepip;"
    " print(*sys.version_info[:2], sysconfig.get_config_var('CONFIG_ARGS'))"
)


def build() -> str:
    """Return how the running Python was built, for the line above the table."""
    return (
        f"Python {platform.python_version()} of {sys.base_prefix}, {_optimisations(_arguments())}"
    )


def choose() -> str:
    """Return the path of the Python to measure with."""
    if is_optimised(_arguments()):
        return sys.executable
    return str(_DEBIAN) if _is_suitable(_DEBIAN) else sys.executable


def is_optimised(arguments: str) -> bool:
    """Return whether a Python with these arguments of ``configure`` was built with PGO."""
    return "--enable-optimizations" in arguments or _DEBIANS_OWN in arguments


def _optimisations(arguments: str) -> str:
    if _DEBIANS_OWN in arguments:
        return "built by Debian (PGO, LTO)"
    found = {"PGO": "--enable-optimizations", "LTO": "--with-lto"}
    names = [name for name, option in found.items() if option in arguments]
    return f"built with {' and '.join(names)}" if names else "built without PGO and LTO: slow"


def _is_suitable(python: Path) -> bool:
    """Return whether a Python is optimised, new enough, and able to make virtual environments."""
    try:
        asked = subprocess.run(
            [python, "-c", _QUESTION], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    major, minor, arguments = asked.stdout.split(" ", 2)
    return (int(major), int(minor)) >= _OLDEST and is_optimised(arguments)


def _arguments() -> str:
    return str(sysconfig.get_config_var("CONFIG_ARGS"))


if __name__ == "__main__":
    print(choose())

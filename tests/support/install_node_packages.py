"""Install npm packages of the tests: ``python -m tests.support.install_node_packages``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_BENCH = _TESTS / "perf"  # only `make bench` needs the packages there


def main() -> None:
    """Install the packages of each folder whose lock file is newer than what is installed.

    The argument names the folder to search. Without it, all folders that tests need are searched.
    """
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else _TESTS
    for lock in folder.glob("**/package-lock.json"):
        if "node_modules" in lock.parts or (folder == _TESTS and _BENCH in lock.parents):
            continue
        installed = lock.with_name("node_modules") / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=lock.parent, check=True)


if __name__ == "__main__":
    main()

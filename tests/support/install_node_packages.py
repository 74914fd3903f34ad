"""Install npm packages of the tests: ``python -m tests.support.install_node_packages``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_BENCH = _TESTS / "perf"  # its peers are for who measures


def main() -> None:
    """Install every package folder that has a lock file and is not up to date.

    The folders below the one that is named; without one, all that tests need.
    """
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else _TESTS
    for lock in folder.glob("**/package-lock.json"):
        if "node_modules" in lock.parts or (folder == _TESTS and _BENCH in lock.parents):
            continue
        done = lock.with_name("node_modules") / ".package-lock.json"
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=lock.parent, check=True)


if __name__ == "__main__":
    main()

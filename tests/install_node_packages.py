"""``python -m tests.install_node_packages`` installs the npm packages that tests use."""

from __future__ import annotations

import subprocess
from pathlib import Path


def main() -> None:
    """Install every package folder below tests that has a lock file and is not up to date."""
    for lock in Path(__file__).parent.glob("*/**/package-lock.json"):
        if "node_modules" in lock.parts:
            continue
        done = lock.with_name("node_modules") / ".package-lock.json"
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=lock.parent, check=True)


if __name__ == "__main__":
    main()

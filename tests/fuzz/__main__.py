"""Fuzz every kind of input for some time, two at a time: ``python -m tests.fuzz [NAME…]``.

Prints a failing input in hexadecimal; add it to the corpus when the bug is mended. ``--keep``
replaces the corpus with inputs of this run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.fuzz import costs
from tests.fuzz.harnesses import HARNESSES, keep

_AT_ONCE: Final = 2
_LONGEST_KEPT: Final = 1_500  # bytes of one input
_MOST_KEPT: Final = 20_000  # bytes of all inputs of a harness


def main() -> int:
    """Fuzz; return 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(HARNESSES))
    parser.add_argument("--seconds", type=int, default=60, help="for each harness; default 60")
    parser.add_argument("--keep", action="store_true", help="replace the corpus")
    given = parser.parse_args()
    names = given.names or [*HARNESSES, costs.NAME]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fine = list(pool.map(lambda name: _fuzz(name, given.seconds, kept=given.keep), names))
    print(f"{sum(fine)} passed, {len(fine) - sum(fine)} failed")
    return 0 if all(fine) else 1


def _fuzz(name: str, seconds: int, *, kept: bool) -> bool:
    if name == costs.NAME:
        command = [sys.executable, "-m", "tests.fuzz.costs", "--seconds", str(seconds)]
        return not subprocess.run(command, check=False).returncode
    with TemporaryDirectory() as folder:
        found, seen = Path(folder, "found-"), Path(folder, "seen")
        seen.mkdir()
        ran = _run(name, seen, f"-max_total_time={seconds}", f"-artifact_prefix={found}")
        last = re.findall(r"^#(\d+)\s.*?cov: (\d+)", ran.stderr, re.MULTILINE)[-1:] or [("0", "0")]
        print(
            f"{name:14} {int(last[0][0]):>9,} inputs, {last[0][1]:>6} locations reached", flush=True
        )
        fine = not ran.returncode and last[0][0] != "0"
        if kept and fine:
            _keep(name, seen)
        if not fine:
            print(ran.stdout[-4_000:], ran.stderr[-4_000:], sep="\n")
            for file in Path(folder).glob("found-*"):
                print(f"{name}: {file.name}: {file.read_bytes().hex()}", flush=True)
    return fine


def _keep(name: str, seen: Path) -> None:
    """Keep some of the inputs that reached new code, of every length, within bounds."""
    inputs = sorted((file.read_bytes() for file in seen.iterdir()), key=len)
    short = [data for data in inputs if len(data) <= _LONGEST_KEPT]
    keep(name, short[:: 1 + sum(map(len, short)) // _MOST_KEPT])


def _run(name: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())

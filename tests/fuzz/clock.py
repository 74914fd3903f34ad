"""Measures runs in a process without instrumented modules: ``python -m tests.fuzz.clock NAME``.

Reads one input a line, in hexadecimal; writes the seconds of the quickest of several runs.
"""

from __future__ import annotations

import sys

from tests.fuzz.harnesses import HARNESSES


def measure(name: str) -> None:
    """Measure inputs until standard input ends."""
    harness = HARNESSES[name]
    for line in sys.stdin:
        print(harness.quickest(bytes.fromhex(line)), flush=True)


if __name__ == "__main__":
    measure(sys.argv[1])

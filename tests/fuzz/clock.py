"""Tells how long answers take, in a process in which nothing is instrumented: ``clock NAME``.

Reads an input a line, in hexadecimal; writes the seconds of the quickest of several answers.
"""

from __future__ import annotations

import sys

from tests.fuzz.harnesses import HARNESSES


def tell(name: str) -> None:
    """Answer until nobody asks any more."""
    harness = HARNESSES[name]
    for line in sys.stdin:
        print(harness.quickest(bytes.fromhex(line)), flush=True)


if __name__ == "__main__":
    tell(sys.argv[1])

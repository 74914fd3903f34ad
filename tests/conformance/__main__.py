"""``python -m tests.conformance PATH`` decides every case of a file of recorded decisions."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.conformance.runner import run


def main() -> int:
    """Print every difference, then the count; return 0 only if there is no difference."""
    default = Path(__file__).with_name("vectors.jsonl")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    passed, differences = asyncio.run(run(path))
    for identity, problem in differences:
        print(f"{identity}: {problem}")
    failed = len({identity for identity, _ in differences})
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

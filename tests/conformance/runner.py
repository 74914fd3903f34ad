"""Runs a file of recorded decisions through the verifier."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conformance.case import decide_case, problems


async def run(path: Path) -> tuple[int, list[tuple[str, str]]]:
    """Decide every line.

    Returns:
        How many cases agree, and each difference as (case id, what differs).
    """
    passed = 0
    differences: list[tuple[str, str]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            found = problems(case, await decide_case(case))
            differences += [(case["id"], problem) for problem in found]
            passed += not found
    return passed, differences

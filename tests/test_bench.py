from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_smallest_section_gives_a_row_for_each_variant(tmp_path: Path) -> None:
    kept = tmp_path / "rows.json"
    least = ["--rounds", "1", "--seconds", "1", "--only", "hit", "--json", str(kept)]
    command = [sys.executable, "-m", "tests.bench", *least]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = json.loads(kept.read_text())["rows"]
    assert [row["name"] for row in rows] == [
        "trivial 204, web.Application",
        "sidecar, decision cached",
        "natural aiohttp app, decision cached",
    ]
    assert all(row["median"] > 0 and row["cpu_us"] > 0 for row in rows)
    assert all(f"| {row['name']} " in output for row in rows)

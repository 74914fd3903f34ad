"""The benchmark runs, and its rows and tables are computed correctly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.perf.bench import gates, interpreter
from tests.perf.bench.rounds import Sample
from tests.perf.bench.rows import Goal, Row, at_most, compare_with
from tests.perf.bench.servers import Servers
from tests.perf.bench.table import as_json, table
from tests.support.paths import ROOT


def test_section_gives_a_row_for_each_variant(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    options = ["--rounds", "1", "--seconds", "1", "--only", "hit", "--json", str(file)]
    command = [sys.executable, "-m", "tests.perf.bench", *options]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = json.loads(file.read_text())["rows"]
    assert [row["name"] for row in rows] == [
        "trivial 204, web.Application",
        "verifier, decision cached",
        "simple aiohttp service, decision cached",
    ] * 2
    assert all(row["median"] > 0 and row["cpu_us"] > 0 for row in rows)
    assert all(f"| {row['name']} " in output for row in rows)


@pytest.mark.parametrize(
    ("arguments", "optimised"),
    [
        ("'--prefix=/usr/local' '--enable-optimizations' '--with-lto'", True),
        ("'--prefix=/usr' '--with-wheel-pkg-dir=/usr/share/python-wheels/'", True),
        ("'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'", False),
    ],
)
def test_optimised_build_is_recognised(arguments: str, optimised: bool) -> None:
    assert interpreter.is_optimised(arguments) is optimised


def test_bench_runs_a_python_that_makes_virtual_environments() -> None:
    command = [interpreter.choose(), "-c", "import sys, venv; print(sys.version_info >= (3, 11))"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.parametrize("tuning", [gates.UNTUNED, gates.Tuning(buffers=True, compiles=True)])
def test_every_nginx_writes_one_log_in_the_same_way(tmp_path: Path, tuning: gates.Tuning) -> None:
    with Servers(tmp_path) as servers:
        gates.page(servers, tuning)
        gates.auth_request(servers, "127.0.0.1:9", tuning, cached=True)
        gates.contrib(servers, "127.0.0.1:9", tuning)
    texts = [file.read_text() for file in tmp_path.rglob("*.conf")]
    logs = [line for text in texts for line in text.splitlines() if "access_log " in line]
    assert len(logs) == 3
    assert sum("buffer=32k flush=1s;" in line for line in logs) == (3 if tuning.buffers else 0)


def test_ratios_are_taken_within_each_round() -> None:
    slow = [Sample(100, 8, 0.1), Sample(50, 8, 0.1), Sample(10, 9, 0.1)]
    fast = [Sample(200, 4, 0.1), Sample(100, 4, 0.1), Sample(20, 3, 0.1)]
    row = compare_with("section", "fast", {"slow": slow, "fast": fast}, "slow", Goal(2))
    assert (row.ratios, row.cpu_ratios) == ([2, 2, 2], [0.5, 0.5, 3 / 9])
    assert row.met


@pytest.mark.parametrize(
    ("goal", "figures", "met"),
    [
        (at_most(5), [1, 4, 9], True),
        (at_most(5), [1, 6, 9], False),
        (at_most(5), [], None),
        (Goal(5, of="figures"), [1, 4, 9], False),
        (None, [1], None),
    ],
)
def test_median_is_compared_with_the_goal(
    goal: Goal | None, figures: list[float], met: bool | None
) -> None:
    assert Row("section", "name", figures, goal=goal).met is met


def test_table_has_measured_and_unmeasured_rows() -> None:
    rows = [
        Row("one", "quick", [1, 3, 2], "ms", goal=at_most(5)),
        Row("two", "not measured", note="the reason"),
    ]
    lines = [line.split("|") for line in table(rows).splitlines()]
    cells = [[cell.strip() for cell in line[1:-1]] for line in lines if len(line) > 1]
    assert [line[0] for line in cells[2:]] == ["**one**", "quick", "**two**", "not measured [1]"]
    assert cells[3] == ["quick", "2 ms", "1 - 3", "", "", "", "", "", "≤ 5", "yes"]
    assert table(rows).endswith("[1] the reason\n")
    assert as_json(rows[1])["median"] is None

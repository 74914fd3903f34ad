"""``python -m tests.perf.bench`` measures the verifier beside other programs, and prints one table.

Progress goes to standard error, the table to standard output. ``--json FILE`` writes all rows for a
later comparison. Nothing is asserted, because the figures depend on the machine; ratios depend less
on it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.perf.bench import interpreter
from tests.perf.bench.bench import Bench
from tests.perf.bench.resources import Clock
from tests.perf.bench.rounds import Effort
from tests.perf.bench.rows import Row
from tests.perf.bench.servers import Servers
from tests.perf.bench.table import as_json, table

SECTIONS: Final = (
    "hit",
    "misses",
    "nginx",
    "nginx_tuned",
    "unix",
    "workers",
    "attack",
    "slowloris",
    "memory",
    "startup",
    "growth",
    "revocation",
    "costs",
)


def main() -> None:
    """Measure the chosen sections."""
    options = _parser().parse_args()
    # SystemExit stops all started programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Effort(options.rounds, options.seconds), options.minutes, Path(folder))
        sections = {name: _run(name, bench) for name in options.only}
    print(_preface(options, clock))
    print(table([row for rows in sections.values() for row in rows]))
    if options.json:
        document = {
            "at": int(time.time()),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "others": clock.others,
            "python": interpreter.build(),
            "rows": [
                {"section": name} | as_json(row) for name in sections for row in sections[name]
            ],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")


def _run(name: str, bench: Bench) -> list[Row]:
    """Return the rows of a section; one that cannot be measured gets a row with the reason."""
    print(f"{name} …", file=sys.stderr)
    try:
        return _measure(name, bench)
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return [Row(name, "not measured", note=" ".join(str(error).split()))]


def _measure(name: str, bench: Bench) -> list[Row]:
    run: Callable[[Bench, Servers], list[Row]] = import_module(
        f"tests.perf.bench.sections.{name}"
    ).run
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder, Servers(Path(folder)) as servers:
        return run(bench, servers)


def _preface(options: argparse.Namespace, clock: Clock) -> str:
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} CPUs, shared by the load generator,"
        f" nginx and the measured program; {interpreter.build()};"
        f" {options.rounds} rounds of {options.seconds} s for each row, interleaved;"
        f" {clock.minutes:.1f} minutes, in which other programs of this machine used"
        f" {clock.others:.0%} of its CPU time.\n\n"
        "CPU µs: of the measured program, for each request."
        " load: the CPU time of the load generator (wrk, one thread), as a share of one core.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--seconds", type=_positive, default=2, help="for each row in each round")
    parser.add_argument(
        "--minutes", type=_positive, default=1, help="of load for the memory section"
    )
    parser.add_argument("--only", type=_sections, default=SECTIONS, help=", ".join(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of at least 1")
    return int(text)


def _sections(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main()

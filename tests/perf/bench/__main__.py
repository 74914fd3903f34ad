"""``python -m tests.perf.bench``: measures the sidecar beside its peers, and prints one table.

Progress goes to standard error, the table to standard output; ``--json FILE`` keeps all rows for
a later comparison. Nothing here is asserted: a machine that is busy elsewhere gives other figures,
and ratios that are still worth something.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.perf.bench.accounting import Clock
from tests.perf.bench.bench import Bench
from tests.perf.bench.rounds import Effort
from tests.perf.bench.rows import Row
from tests.perf.bench.servers import Servers
from tests.perf.bench.table import as_json, table

SECTIONS: Final = (
    "hit",
    "misses",
    "nginx",
    "unix",
    "workers",
    "attack",
    "hanging",
    "memory",
    "startup",
    "growth",
    "revocation",
)


def main() -> None:
    """Measure the chosen sections."""
    options = _parser().parse_args()
    # Ended from outside, stop what has been started first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Effort(options.rounds, options.seconds), options.minutes, Path(folder))
        found = {name: _run(name, bench) for name in options.only}
    print(_preface(options, clock))
    print(table([row for rows in found.values() for row in rows]))
    if options.json:
        kept = {
            "at": int(time.time()),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "others": clock.others,
            "rows": [{"section": name} | as_json(row) for name in found for row in found[name]],
        }
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


def _run(name: str, bench: Bench) -> list[Row]:
    """Measure one section; one that cannot be measured says why, and the others are."""
    print(f"{name} …", file=sys.stderr)
    try:
        return _measured(name, bench)
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return [Row(name, "not measured", note=" ".join(str(error).split()))]


def _measured(name: str, bench: Bench) -> list[Row]:
    run: Callable[[Bench, Servers], list[Row]] = import_module(
        f"tests.perf.bench.sections.{name}"
    ).run
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder, Servers(Path(folder)) as servers:
        return run(bench, servers)


def _preface(options: argparse.Namespace, clock: Clock) -> str:
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} CPUs, shared by the load generator,"
        f" nginx and what is measured; Python {platform.python_version()}; {options.rounds} rounds"
        f" of {options.seconds} s for each row, interleaved; {clock.minutes:.1f} minutes, in which"
        f" other programs of this machine used {clock.others:.0%} of its CPU time.\n\nCPU µs: of"
        " what is measured, for each request. load: the load generator's CPU time, as a share of"
        " one core.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--seconds", type=_positive, default=2, help="for each row in each round")
    parser.add_argument(
        "--minutes", type=_positive, default=1, help="that memory is watched under load"
    )
    parser.add_argument("--only", type=_sections, default=SECTIONS, help=", ".join(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 on")
    return int(text)


def _sections(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main()

"""Runs one harness under libFuzzer, until its time is over or a check fails; needs atheris.

Modules are instrumented when they are imported, so that the verifier must not be imported before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import atheris

with atheris.instrument_imports(include=["verifier", "json"]):
    from tests.fuzz.harnesses import HARNESSES, kept

_CLOCK: Final = [sys.executable, "-m", "tests.fuzz.clock"]


class Clock:
    """Measures runs in a process whose modules are not instrumented."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [*_CLOCK, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, data: bytes) -> float:
        """Return the seconds of the quickest run of an input."""
        inputs, times = self._process.stdin, self._process.stdout
        assert inputs is not None
        assert times is not None
        inputs.write(f"{data.hex()}\n")
        inputs.flush()
        return float(times.readline())


def fuzz(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz one harness; this ends the process."""
    harness, clock = HARNESSES[name], Clock(name)
    for number, seed in enumerate([*harness.seeds, *kept(name)]):
        (folder / f"seed-{number}").write_bytes(seed)

    def one_input(data: bytes) -> None:
        harness.check_in_time(data, clock.seconds)

    given = [f"-max_len={harness.longest}", "-rss_limit_mb=2048", "-timeout=30", *options]
    arguments: Any = [sys.argv[0], *given, str(folder)]
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""One harness under libFuzzer, until its time is up or something is wrong; needs atheris.

Modules are instrumented as they are imported, so that nothing of the verifier may be before.
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
    """Asks a process whose modules are not instrumented how long an answer takes."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [*_CLOCK, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, data: bytes) -> float:
        """Measure one input."""
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        asked.write(f"{data.hex()}\n")
        asked.flush()
        return float(told.readline())


def fuzz(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz; ends the process."""
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

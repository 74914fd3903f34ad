"""Start-up: the time from the command to the first 200 of /readyz, and the cost of imports."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from tests.perf.bench.bench import Bench
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Servers

SECTION: Final = "start-up, files cached"
_TIMES: Final = 10
_IMPORT: Final = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure start and imports in turn."""
    ready: list[float] = []
    imports: list[float] = []
    app_imports: list[float] = []
    _import_ms("verifier.process.app")  # compiles all modules
    for _ in range(_TIMES if bench.effort.rounds > 1 else 1):
        with Servers(servers.new_folder()) as inner:
            started = time.perf_counter()
            inner.sidecar(bench.shared)
            ready.append(time.perf_counter() - started)
        imports.append(_import_ms("verifier"))
        app_imports.append(_import_ms("verifier.process.app"))
    return [
        Row(SECTION, "command to /readyz 200, shared secret", ready, "s", goal=at_most(0.5)),
        Row(SECTION, "import verifier", imports, "ms", goal=at_most(100)),
        Row(SECTION, "import verifier.process.app, the whole service", app_imports, "ms"),
    ]


def _import_ms(module: str) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(finished.stdout) * 1000

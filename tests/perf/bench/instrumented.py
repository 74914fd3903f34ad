"""``instrumented.py FILE ARGUMENTS`` runs the verifier's command, and measures inside its process.

It measures each full garbage collection, and every two milliseconds the lateness of the event loop.
At the end it writes the results to the file. SIGUSR1 discards the results so far; SIGUSR2 starts a
full collection. The verifier itself is unchanged.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from verifier import cli

_SLEEP_SECONDS: Final = 0.002
_OLDEST_GENERATION: Final = 2


class Measurement:
    """Measurements in one process.

    Attributes:
        collections: Duration of each full collection, milliseconds.
        lateness: Lateness of the event loop, milliseconds.
    """

    def __init__(self) -> None:
        self.collections: list[float] = []
        self.lateness: list[float] = []
        self._started = 0.0

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Record a collection; a function for ``gc.callbacks``."""
        if info["generation"] != _OLDEST_GENERATION:
            return
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.collections.append((time.perf_counter() - self._started) * 1000)

    async def measure_lateness(self) -> None:
        """Sleep again and again, and record how much longer each sleep takes."""
        while True:
            due = time.perf_counter() + _SLEEP_SECONDS
            await asyncio.sleep(_SLEEP_SECONDS)
            self.lateness.append((time.perf_counter() - due) * 1000)

    def discard(self) -> None:
        """Discard all results."""
        self.collections.clear()
        self.lateness.clear()

    def results(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        late = sorted(self.lateness) or [0.0]
        return {
            "collections": self.collections,
            "p999": late[int(0.999 * (len(late) - 1))],
            "most": late[-1],
        }


def main() -> None:
    """Run the verifier with the arguments after the file's name, and write the file."""
    measurement, run = Measurement(), asyncio.run

    def run_with_measurement(work: Coroutine[Any, Any, Any]) -> Any:
        async def measured() -> Any:
            measuring = asyncio.create_task(measurement.measure_lateness())
            try:
                return await work
            finally:
                measuring.cancel()

        return run(measured())

    gc.callbacks.append(measurement.on_collection)
    signal.signal(signal.SIGUSR1, lambda *_: measurement.discard())
    signal.signal(signal.SIGUSR2, lambda *_: gc.collect())
    with patch.object(asyncio, "run", run_with_measurement):
        status = cli.main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(measurement.results()))
    sys.exit(status)


if __name__ == "__main__":
    main()

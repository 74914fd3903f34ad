"""``watched.py FILE …``: the verifier's command, watched from inside.

Times each full collection, and asks the loop every two milliseconds how late it is; writes what it
found to the file at the end. SIGUSR1 makes it forget what it has found so far, SIGUSR2 asks for a
full collection. The verifier itself knows nothing of it.
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

_INTERVAL: Final = 0.002
_OLDEST: Final = 2


class Watch:
    """Collects what happens to one process.

    Attributes:
        collections: How long each full collection took, milliseconds.
        lateness: How late the loop was each time, milliseconds.
    """

    def __init__(self) -> None:
        self.collections: list[float] = []
        self.lateness: list[float] = []
        self._started = 0.0

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """Take note of a collection's begin or end; for ``gc.callbacks``."""
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.collections.append((time.perf_counter() - self._started) * 1000)

    async def ask_the_loop(self) -> None:
        """Sleep again and again, and see how much longer that takes."""
        while True:
            due = time.perf_counter() + _INTERVAL
            await asyncio.sleep(_INTERVAL)
            self.lateness.append((time.perf_counter() - due) * 1000)

    def forget(self) -> None:
        """Begin anew."""
        self.collections.clear()
        self.lateness.clear()

    def found(self) -> dict[str, Any]:
        """Summarise."""
        late = sorted(self.lateness) or [0.0]
        return {
            "collections": self.collections,
            "p999": late[int(0.999 * (len(late) - 1))],
            "most": late[-1],
        }


def main() -> None:
    """Run the command that follows the file's name, and write the file."""
    watch, run = Watch(), asyncio.run

    def run_beside(work: Coroutine[Any, Any, Any]) -> Any:
        async def beside() -> Any:
            asking = asyncio.create_task(watch.ask_the_loop())
            try:
                return await work
            finally:
                asking.cancel()

        return run(beside())

    gc.callbacks.append(watch.collected)
    signal.signal(signal.SIGUSR1, lambda *_: watch.forget())
    signal.signal(signal.SIGUSR2, lambda *_: gc.collect())
    with patch.object(asyncio, "run", run_beside):
        status = cli.main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(watch.found()))
    sys.exit(status)


if __name__ == "__main__":
    main()

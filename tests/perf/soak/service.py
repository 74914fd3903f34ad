"""The service, which writes the number of its tasks into a file when it gets SIGUSR2."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from verifier.process.main import serve

FOLDER = "SOAK_FOLDER"
"""The environment variable that names the folder of the files."""


def _write_tasks(*_: object) -> None:
    # A worker that is just starting has no event loop.
    with contextlib.suppress(RuntimeError):
        number = len(asyncio.all_tasks())
        Path(os.environ[FOLDER], f"{os.getpid()}.tasks").write_text(str(number), "ascii")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _write_tasks)
    sys.exit(serve(None, {}))

"""Where a worker's metrics keep their values, so that any worker can show the sum of all.

Several workers keep them in files (prometheus_client's multiprocess mode). A worker's files bear
its number, not its process id: its successor counts on in them, so that no death takes anything
away that was handed over, and no number of deaths makes more files.

Knows no metric.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import values

_STATM: Final = Path("/proc/self/statm")
_FILES: Final = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """Which of the service's workers counts.

    Attributes:
        worker: Its number, from 0.
        workers: How many there are.
        directory: Where all keep their values; None where there is only this one.
    """

    worker: int = 0
    workers: int = 1
    directory: Path | None = None


@contextmanager
def values_of(place: WorkerSlot) -> Iterator[None]:
    """Have metrics that are made meanwhile keep their values in a worker's files, if it has any."""
    if place.directory is None:
        yield
        return
    before, directory = values.ValueClass, os.environ.get(_FILES)
    os.environ[_FILES] = str(place.directory)
    values.ValueClass = values.MultiProcessValue(lambda: place.worker)
    try:
        yield
    finally:
        values.ValueClass = before
        del os.environ[_FILES]
        if directory is not None:
            os.environ[_FILES] = directory


def close_values() -> None:
    """Close all files that this process has open."""
    values.close_all_multiprocess_files()


def resident_bytes() -> int:
    """Measure this process; 0 where the system has no /proc."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

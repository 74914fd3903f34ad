"""Where a worker's metrics keep their values, so that each worker can show the sum of all workers.

A single process keeps them in memory. Several workers keep them in memory-mapped files of one
directory (prometheus_client's multiprocess mode); a scrape reads the files of all workers.

prometheus_client names the files after process ids. This module names them after the worker's
number: the next process with that number goes on counting in the same files. So the counts of a
worker that has ended remain, and many restarts do not leave many files behind.

This module does not know which metrics exist.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Gauge, values

NAMESPACE: Final = "jitsi_verifier"

_STATM: Final = Path("/proc/self/statm")
_DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """The worker that counts.

    Attributes:
        worker: Its number, from 0.
        workers: The number of workers.
        directory: Where all workers keep their values; None for a single process.
    """

    worker: int = 0
    workers: int = 1
    directory: Path | None = None


def gauge(
    registry: CollectorRegistry,
    name: str,
    description: str,
    over_workers: Literal["sum", "min", "max"],
    labels: Sequence[str] = (),
) -> Gauge:
    """Make a gauge; ``over_workers`` says how the values of several workers become one."""
    return Gauge(
        f"{NAMESPACE}_{name}",
        description,
        labels,
        registry=registry,
        multiprocess_mode=over_workers,
    )


@contextmanager
def values_in_files(slot: WorkerSlot) -> Iterator[None]:
    """Let the metrics that are made inside this context keep their values in the worker's files."""
    if slot.directory is None:
        yield
        return
    # prometheus_client takes both from global variables, at the moment a metric is made.
    before, directory = values.ValueClass, os.environ.get(_DIRECTORY_VARIABLE)
    os.environ[_DIRECTORY_VARIABLE] = str(slot.directory)
    values.ValueClass = values.MultiProcessValue(lambda: slot.worker)
    try:
        yield
    finally:
        values.ValueClass = before
        del os.environ[_DIRECTORY_VARIABLE]
        if directory is not None:
            os.environ[_DIRECTORY_VARIABLE] = directory


def close_value_files() -> None:
    """Close all value files that this process has open."""
    values.close_all_multiprocess_files()


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 on systems without /proc."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

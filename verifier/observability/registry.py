"""Counters, gauges and histograms whose values all workers share, and Prometheus' text format.

Every value is one number in an array of its worker. The arrays of all workers lie in one anonymous
mapping, which is made before the workers are forked:

- A worker writes its own array only, so that no lock is needed. A number is written at once as
  eight aligned bytes, so that another process never reads half of it.
- A scrape adds the arrays up (or takes their minimum or maximum), in whichever worker it arrives.
- The array remains when a worker ends, and its successor goes on counting in it. Gauges are set
  back to their initial values when the successor, or the supervisor before that, registers them.
- No file is involved, so that neither a worker nor the supervisor can wait for a disk.

All workers run the same program and register the same metrics in the same order. So a value has the
same position in every array.

Why not prometheus_client: a scrape of these metrics takes it 15 times as long, and a thread would
not help, because the thread holds the interpreter. Its workers share values through files.

This module does not know which metrics exist.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal

NAMESPACE: Final = "jitsi_verifier"

OverWorkers = Literal["sum", "min", "max"]

_CAPACITY: Final = 4096  # numbers of one worker; ``Registry`` refuses more
_NUMBER_BYTES: Final = 8
_MERGES: Final[Mapping[OverWorkers, Callable[[Iterable[float]], float]]] = {
    "sum": sum,
    "min": min,
    "max": max,
}
_STATM: Final = Path("/proc/self/statm")


class MetricMemory:
    """The numbers of all workers; created before the workers are forked.

    Args:
        workers: The number of workers.

    Attributes:
        rows: The numbers of each worker.
    """

    def __init__(self, workers: int = 1) -> None:
        size = _CAPACITY * _NUMBER_BYTES
        # An anonymous mapping is shared with forked processes, and ends with the last of them. The
        # system gives it memory page by page, and only for pages that are written.
        numbers = memoryview(mmap.mmap(-1, workers * size))
        self.rows = [
            numbers[worker * size : (worker + 1) * size].cast("d") for worker in range(workers)
        ]


class Value:
    """One number of a counter or a gauge."""

    __slots__ = ("_position", "_row")

    def __init__(self, row: memoryview[float], position: int) -> None:
        self._row = row
        self._position = position

    def inc(self, amount: float = 1.0) -> None:
        """Add to the number."""
        self._row[self._position] += amount

    def set(self, value: float) -> None:
        """Set the number."""
        self._row[self._position] = value


class Histogram:
    """One histogram: the number of observations in each bucket, and the sum of all of them."""

    __slots__ = ("_bounds", "_position", "_row")

    def __init__(self, row: memoryview[float], position: int, bounds: Sequence[float]) -> None:
        self._row = row
        self._position = position
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._row[self._position + bisect_left(self._bounds, value)] += 1
        self._row[self._position + len(self._bounds) + 1] += value

    def observe_many(self, counts: Sequence[int], total: float) -> None:
        """Add observations: how many fell into each bucket, the last without bound; their sum."""
        for position, count in enumerate((*counts, total), self._position):
            if count:
                self._row[position] += count


class Family:
    """All numbers of one metric.

    Args:
        registry: Where the metric is registered.
        name: The name, without the suffix of a histogram's sample.
        kind: The type in Prometheus' text format.
        description: The text for HELP.
        labels: The names of the labels.
        over_workers: How the numbers of several workers become one.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a metric
        self,
        registry: Registry,
        name: str,
        kind: str,
        description: str,
        labels: Sequence[str],
        over_workers: OverWorkers,
    ) -> None:
        self.over_workers: Final[OverWorkers] = over_workers
        self.head = f"# HELP {name} {description}\n# TYPE {name} {kind}\n"
        self._registry = registry
        self._name = name
        self._labels = labels
        self._values: list[tuple[str, int, bool]] = []
        self._histograms: list[tuple[list[str], int]] = []

    def value(self, *labels: str, rare: bool = False) -> Value:
        """Return the number with these label values; ``rare``: not shown while it is zero."""
        position = self._registry.reserve(1)
        pairs = zip(self._labels, labels, strict=True)
        self._values.append((_sample(self._name, pairs), position, rare))
        return Value(self._registry.row, position)

    def histogram(self, bounds: Sequence[float], *labels: str) -> Histogram:
        """Return the histogram with these label values and upper bounds of buckets."""
        position = self._registry.reserve(len(bounds) + 2)  # also the bucket +Inf, and the sum
        pairs = list(zip(self._labels, labels, strict=True))
        samples = [
            _sample(f"{self._name}_bucket", [*pairs, ("le", bound)])
            for bound in (*map(str, bounds), "+Inf")
        ]
        samples += [_sample(f"{self._name}_count", pairs), _sample(f"{self._name}_sum", pairs)]
        self._histograms.append((samples, position))
        return Histogram(self._registry.row, position, bounds)

    def lines(self, numbers: Sequence[float]) -> Iterator[str]:
        """Yield a line for each sample, from the numbers of all metrics."""
        for sample, position, rare in self._values:
            if not rare or numbers[position]:
                yield f"{sample} {numbers[position]}\n"
        for samples, position in self._histograms:
            last = position + len(samples) - 2
            buckets = list(accumulate(numbers[position:last]))
            values = (*buckets, buckets[-1], numbers[last])
            yield from map("{} {}\n".format, samples, values)


def _sample(name: str, labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
    return f"{name}{{{pairs}}}" if pairs else name


class Registry:
    """The metrics of one worker, and their text over all workers.

    Args:
        memory: The numbers of all workers.
        worker: The worker that counts.

    Attributes:
        row: The numbers of this worker.
    """

    def __init__(self, memory: MetricMemory, worker: int) -> None:
        self.row = memory.rows[worker]
        self._families: list[Family] = []
        self._memory = memory
        self._used = 0

    def counter(
        self,
        name: str,
        description: str,
        labels: Sequence[str] = (),
        over_workers: OverWorkers = "sum",
    ) -> Family:
        """Register a counter; its name gets the suffix ``_total``."""
        return self._register(f"{name}_total", "counter", description, labels, over_workers)

    def gauge(
        self, name: str, description: str, over_workers: OverWorkers, labels: Sequence[str] = ()
    ) -> Family:
        """Register a gauge, whose values must be set now: a dead worker may have left others."""
        return self._register(name, "gauge", description, labels, over_workers)

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Family:
        """Register a histogram."""
        return self._register(name, "histogram", description, labels, "sum")

    def _register(
        self, name: str, kind: str, description: str, labels: Sequence[str], over: OverWorkers
    ) -> Family:
        family = Family(self, f"{NAMESPACE}_{name}", kind, description, labels, over)
        self._families.append(family)
        return family

    def reserve(self, count: int) -> int:
        """Return the first of so many unused positions.

        Raises:
            OverflowError: there are not so many.
        """
        position = self._used
        self._used += count
        if self._used > _CAPACITY:
            raise OverflowError(f"more than {_CAPACITY} metric values")
        return position

    def expose(self) -> str:
        """Return all metrics over all workers, in Prometheus' text format, version 0.0.4."""
        rows = [row[: self._used].tolist() for row in self._memory.rows]
        columns = list(zip(*rows, strict=True))
        numbers = {
            name: rows[0] if len(rows) == 1 else list(map(merge, columns))
            for name, merge in _MERGES.items()
        }
        return "".join(
            line
            for family in self._families
            for line in (family.head, *family.lines(numbers[family.over_workers]))
        )


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 on systems without /proc."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

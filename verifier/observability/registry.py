"""Counters, gauges and histograms whose values all workers share.

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

prometheus_client writes the text of each metric once, and a scrape fills in the numbers. The
library's own counters are not used: their values are shared through files, and to write all the
text for each scrape would stop the event loop for 4 to 10 ms. A thread would not help, because it
holds the interpreter.

This module does not know which metrics exist.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

NAMESPACE: Final = "jitsi_verifier"

OverWorkers = Literal["sum", "min", "max"]

_CAPACITY: Final = 4096  # numbers of one worker; ``Registry`` refuses more
_NUMBER_BYTES: Final = 8
SLOTS: Final = 1 << 17
"""The slots of ``SeenTokens``. With 20,000 tokens an hour, one in seven shares its slot."""
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
        seen: One table for all workers.
    """

    def __init__(self, workers: int = 1) -> None:
        size = _CAPACITY * _NUMBER_BYTES
        # An anonymous mapping is shared with forked processes, and ends with the last of them. The
        # system gives it memory page by page, and only for pages that are written.
        numbers = memoryview(mmap.mmap(-1, workers * size))
        self.rows = [
            numbers[worker * size : (worker + 1) * size].cast("d") for worker in range(workers)
        ]
        self.seen = SeenTokens()


class SeenTokens:
    """The table of ``first_decisions``: 1.5 MB, of which the system gives only what is written.

    Attributes:
        hashes: The hash in each slot.
        minutes: When it was written, in minutes of a monotonic clock.
    """

    def __init__(self) -> None:
        self.hashes: memoryview[int] = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("q")
        self.minutes: memoryview[int] = memoryview(mmap.mmap(-1, SLOTS * 4)).cast("i")


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
        self._registry = registry
        self._name = name
        self._kind = kind
        self._description = description
        self._labels = labels
        self._samples: list[Sample] = []
        self._values: list[tuple[int, bool]] = []
        self._histograms: list[tuple[int, int]] = []  # position, number of buckets

    def value(self, *labels: str, rare: bool = False) -> Value:
        """Return the number with these label values; ``rare``: not shown while it is zero."""
        position = self._registry.reserve(1)
        self._add_sample("_total" if self._kind == "counter" else "", labels)
        self._values.append((position, rare))
        return Value(self._registry.row, position)

    def histogram(self, bounds: Sequence[float], *labels: str) -> Histogram:
        """Return the histogram with these label values and upper bounds of buckets."""
        position = self._registry.reserve(len(bounds) + 2)  # also the bucket +Inf, and the sum
        for bound in (*bounds, "+Inf"):
            self._add_sample("_bucket", labels, le=str(bound))
        self._add_sample("_count", labels)
        self._add_sample("_sum", labels)
        self._histograms.append((position, len(bounds) + 1))
        return Histogram(self._registry.row, position, bounds)

    def _add_sample(self, suffix: str, labels: Sequence[str], **more: str) -> None:
        pairs = dict(zip(self._labels, labels, strict=True))
        self._samples.append(Sample(self._name + suffix, pairs | more, 0))

    @cached_property
    def _text(self) -> tuple[str, list[str]]:
        """The lines of HELP and TYPE, and the beginning of each sample's line."""
        metric = Metric(self._name, self._description, self._kind)
        metric.samples = self._samples
        _help, _type, *lines = generate_latest(_Single(metric)).decode().splitlines()
        return f"{_help}\n{_type}\n", [line.rpartition(" ")[0] for line in lines]

    def write(self, numbers: Sequence[float]) -> str:
        """Return the metric's text, from the numbers of all metrics."""
        head, beginnings = self._text
        shown: list[float | None] = [
            None if rare and not numbers[position] else numbers[position]
            for position, rare in self._values
        ]
        for position, count in self._histograms:
            buckets = list(accumulate(numbers[position : position + count]))
            shown += [*buckets, buckets[-1], numbers[position + count]]
        lines = [
            f"{beginning} {floatToGoString(number)}\n"
            for beginning, number in zip(beginnings, shown, strict=True)
            if number is not None
        ]
        return head + "".join(lines)


class _Single:
    """A collector of one metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        yield self._metric


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
        """Register a counter; its sample's name gets the suffix ``_total``."""
        return self._register(name, "counter", description, labels, over_workers)

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
        return "".join(family.write(numbers[family.over_workers]) for family in self._families)


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 on systems without /proc."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

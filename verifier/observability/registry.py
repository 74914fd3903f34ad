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

prometheus_client writes the text of a scrape. Its own counters are not used: their values are
shared through files, one for each worker, and reading those would stop the event loop for 10 ms and
more. A thread would not help, because it holds the interpreter.

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

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

NAMESPACE: Final = "jitsi_verifier"

OverWorkers = Literal["sum", "min", "max"]

_CAPACITY: Final = 4096  # numbers of one worker; ``Registry`` refuses more
_NUMBER_BYTES: Final = 8
_SAMPLES_AT_ONCE: Final = 64  # so many take about 0.3 ms
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
        self._registry = registry
        self._name = name
        self._kind = kind
        self._description = description
        self._labels = labels
        self._values: list[tuple[Sample, int, bool]] = []
        self._histograms: list[tuple[list[Sample], int]] = []

    def value(self, *labels: str, rare: bool = False) -> Value:
        """Return the number with these label values; ``rare``: not shown while it is zero."""
        position = self._registry.reserve(1)
        suffix = "_total" if self._kind == "counter" else ""
        self._values.append((self._sample(suffix, labels), position, rare))
        return Value(self._registry.row, position)

    def histogram(self, bounds: Sequence[float], *labels: str) -> Histogram:
        """Return the histogram with these label values and upper bounds of buckets."""
        position = self._registry.reserve(len(bounds) + 2)  # also the bucket +Inf, and the sum
        buckets = [self._sample("_bucket", labels, le=str(bound)) for bound in (*bounds, "+Inf")]
        ends = [self._sample("_count", labels), self._sample("_sum", labels)]
        self._histograms.append(([*buckets, *ends], position))
        return Histogram(self._registry.row, position, bounds)

    def metric(self, numbers: Sequence[float]) -> Metric:
        """Return the metric for prometheus_client, from the numbers of all metrics."""
        metric = Metric(self._name, self._description, self._kind)
        for sample, position, rare in self._values:
            if not rare or numbers[position]:
                metric.samples.append(sample._replace(value=numbers[position]))
        for samples, position in self._histograms:
            last = position + len(samples) - 2
            buckets = list(accumulate(numbers[position:last]))
            values = (*buckets, buckets[-1], numbers[last])
            metric.samples += map(_with_value, samples, values)
        return metric

    def _sample(self, suffix: str, labels: Sequence[str], **more: str) -> Sample:
        pairs = dict(zip(self._labels, labels, strict=True))
        return Sample(self._name + suffix, pairs | more, 0)


def _with_value(sample: Sample, value: float) -> Sample:
    return sample._replace(value=value)


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

    def expose(self) -> Iterator[bytes]:
        """Yield the text of all workers' metrics in parts (Prometheus' text format 0.0.4).

        The numbers are those of the moment when the first text is requested.
        """
        rows = [row[: self._used].tolist() for row in self._memory.rows]
        columns = list(zip(*rows, strict=True))
        numbers = {
            name: rows[0] if len(rows) == 1 else list(map(merge, columns))
            for name, merge in _MERGES.items()
        }
        for family in self._families:
            yield from _parts(family.metric(numbers[family.over_workers]))


def _parts(metric: Metric) -> Iterator[bytes]:
    """Yield the text of a metric, a bounded number of samples at a time."""
    samples = metric.samples
    for start in range(0, len(samples) or 1, _SAMPLES_AT_ONCE):
        metric.samples = samples[start : start + _SAMPLES_AT_ONCE]
        text = generate_latest(_Single(metric))
        # The two lines of HELP and TYPE stand before the first sample only.
        yield text if start == 0 else text.split(b"\n", 2)[2]


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 on systems without /proc."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

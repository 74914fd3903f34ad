"""Searches for requests that cost more than others: ``python -m tests.fuzz.costs --seconds 60``.

The requests of the catalogue (``tests.support.costs``) are mutated. Those that need more work per
byte, or more time compared with a plain forged token, than all requests of their kind before are
kept and mutated again. Work is counted as executed lines and calls of C functions, which is the
same in each run; time also shows work within C. At the end, the dearest ones are measured again,
in turn with plain forged tokens, so that a busy machine does not let the search fail.

A request over the bar fails the search. When the cost is mended, add the printed line to
``tests/support/costs/found.txt``, so that the catalogue has the request.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType
from typing import Any, Final, Self

from tests.fuzz.mutations import Mutator
from tests.support.costs.catalogue import ENDPOINTS, requests_for
from tests.support.costs.measure import MAX_RATIO, MAX_SECONDS, Cost, Measure
from tests.support.costs.modes import MODES
from tests.support.costs.requests import Request
from tests.support.costs.service import Service, open_service

NAME: Final = "costs"
_SEED: Final = 14
_MODES: Final = ("everything", "report-only", "key server", "redirect", "strict", "defaults")
_SEEDS_OF_ENDPOINT: Final = 40
_OVERHEAD: Final = 400  # bytes of a short request
_CONFIRMED: Final = 6
_CONFIRMATIONS: Final = 3
# A busy machine is slower at one moment than at the next, and a slow one all the time. So the time
# has a wider margin than the ratio.
_RATIO_MARGIN: Final = 1.3
_TIME_MARGIN: Final = 2.0


class Work:
    """Counts executed lines and calls of C functions while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._call)
        sys.settrace(self._line)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _line(self, _frame: FrameType, _event: str, _arg: Any) -> Any:
        self.count += 1
        return self._line

    def _call(self, _frame: FrameType, event: str, _arg: Any) -> None:
        self.count += event == "c_call"


async def work_of(service: Service, request: Request) -> int:
    """Return the lines and C calls that a request takes, with nothing cached."""
    service.forget()
    with Work() as work:
        await service.ask(request.data, admin=request.admin)
    return work.count


@dataclass
class Search:
    """The search in one configuration.

    Attributes:
        service: The service.
        measure: Measures time.
        mutator: Makes new requests.
        random: Chooses what is mutated.
        pool: The requests that are worth mutating, by endpoint.
        most_work: The most work per byte, by endpoint and length.
        most_severe: The severity of the dearest request, by endpoint and length.
        inputs: The number of requests that were sent.
    """

    service: Service
    measure: Measure
    mutator: Mutator
    random: Random
    pool: dict[str, list[Cost]] = field(default_factory=dict)
    most_work: dict[tuple[str, int], float] = field(default_factory=dict)
    most_severe: dict[tuple[str, int], float] = field(default_factory=dict)
    inputs: int = 0

    async def run(self, seconds: float) -> list[Cost]:
        """Search for so many seconds; return the dearest requests, measured again."""
        ends = monotonic() + seconds
        for endpoint in ENDPOINTS:
            requests = list(requests_for(endpoint))
            count = min(len(requests), _SEEDS_OF_ENDPOINT)
            for request in self.random.sample(requests, count):
                await self._try(request)
        while monotonic() < ends:
            endpoint = self.random.choice(ENDPOINTS)
            parent = self._choose(self.pool[endpoint]).request
            data = self.mutator.mutate(parent.data)
            await self._try(Request(endpoint, "found", data, parent.admin))
        every = [cost for costs in self.pool.values() for cost in costs]
        every.sort(key=lambda cost: -cost.severity)
        return [await self.measure.confirm(cost.request) for cost in every[:_CONFIRMED]]

    def _choose(self, costs: Sequence[Cost]) -> Cost:
        """Return one of the requests, a dear or a new one more often."""
        return max(self.random.choices(costs, k=2), key=lambda cost: cost.severity)

    async def _try(self, request: Request) -> None:
        """Send a request, and keep it if it needs more work or time than those before."""
        self.inputs += 1
        work = await work_of(self.service, request) / (len(request.data) + _OVERHEAD)
        cost = await self.measure.estimate(request)
        if cost.severity > self.most_severe.get(_kind(request), 0):
            again = await self.measure.estimate(request)  # the first one may have been interrupted
            cost = min(cost, again, key=lambda each: each.severity)
        is_dearer = cost.severity > self.most_severe.get(_kind(request), 0)
        if work > self.most_work.get(_kind(request), 0) or is_dearer:
            kind = _kind(request)
            self.most_work[kind] = max(work, self.most_work.get(kind, 0))
            self.most_severe[kind] = max(cost.severity, self.most_severe.get(kind, 0))
            self.pool.setdefault(request.endpoint, []).append(cost)


def _kind(request: Request) -> tuple[str, int]:
    return request.endpoint, len(request.data).bit_length()


async def search(
    mode: str, seconds: float, folder: Path, seed: int = _SEED
) -> tuple[Search, list[Cost]]:
    """Search in one configuration; return the search and its dearest requests."""
    async with open_service(MODES[mode](folder), folder) as service:
        random = Random(seed)  # noqa: S311  # the same requests in each run
        found = Search(service, Measure(service, mode), Mutator(random), random)
        dearest = await found.run(seconds)
        over = [cost for cost in dearest if is_over(cost)]
        for _ in range(_CONFIRMATIONS):
            over = [cost for cost in over if is_over(await found.measure.confirm(cost.request))]
        return found, over or [max(dearest, key=lambda cost: cost.severity)]


def is_over(cost: Cost) -> bool:
    """Return whether a request costs clearly more than it may."""
    return cost.ratio > MAX_RATIO * _RATIO_MARGIN or cost.seconds > MAX_SECONDS * _TIME_MARGIN


def main() -> int:
    """Search in each configuration; return 1 if a request is over the bar."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.costs", description="Search.")
    parser.add_argument("--seconds", type=float, default=60, help="for all configurations together")
    given = parser.parse_args()
    fine = True
    for mode in _MODES:
        with TemporaryDirectory() as folder:
            found, costs = asyncio.run(search(mode, given.seconds / len(_MODES), Path(folder)))
        for cost in costs:
            over = is_over(cost)
            fine = fine and not over
            text = f"{cost.seconds * 1e6:,.0f} µs, {cost.ratio:.1f} of a forged token"
            inputs = f"{found.inputs:>7,} inputs, dearest {text}, {cost.request.endpoint}"
            print(f"{NAME:14} {mode:12} {inputs}", flush=True)
            if over:
                print(f"{cost.request.endpoint} {cost.request.data.hex()}", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

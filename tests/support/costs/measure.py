"""Compares the cost of requests with the cost of plain forged tokens of the same length.

The bar: no request without a good signature costs more than ``MAX_RATIO`` times a plain forged
token of the same length, nor more than ``MAX_SECONDS``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.support.costs.requests import Request, plain_request
from tests.support.costs.service import Service

MAX_RATIO: Final = 6.0
MAX_SECONDS: Final = 0.002
_LENGTHS: Final = (500, 1_000, 2_000, 4_000, 8_000, 16_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs.

    Attributes:
        request: The request.
        seconds: CPU seconds.
        ratio: The same, as a multiple of the plain forged token's.
    """

    request: Request
    seconds: float
    ratio: float

    @property
    def severity(self) -> float:
        """How close to the bar it is; above 1, it is over the bar."""
        return max(self.ratio / MAX_RATIO, self.seconds / MAX_SECONDS)


class Measure:
    """Measures requests to one service.

    Args:
        service: The service.
        mode: Its configuration, as it is named in ``MODES``.
    """

    def __init__(self, service: Service, mode: str) -> None:
        self._service = service
        self._mode = mode
        self._plain: dict[str, list[float]] = {}

    async def dearest(self, requests: Iterable[Request], count: int = 3) -> list[Cost]:
        """Return the dearest requests, measured again with their plain requests in turn."""
        found = [await self.estimate(each) for each in requests]
        found.sort(key=lambda cost: -cost.severity)
        # A single measurement is sometimes too long, so that some more are measured again.
        again = [await self.estimate(cost.request) for cost in found[: 10 * count]]
        again.sort(key=lambda cost: -cost.severity)
        confirmed = [await self.confirm(cost.request) for cost in again[:count]]
        return sorted(confirmed, key=lambda cost: -cost.severity)

    async def estimate(self, request: Request) -> Cost:
        """Measure a request once, and compare it with plain requests that were measured earlier."""
        self._service.forget()
        seconds = await self._service.cpu_seconds(request.data, admin=request.admin)
        return Cost(request, seconds, seconds / await self._usual(request))

    async def confirm(self, request: Request, rounds: int = 15) -> Cost:
        """Measure a request and its plain request in turn.

        Returns:
            The median of the ratios, and the quickest run: the others were disturbed.
        """
        plain = plain_request(self._mode, request.endpoint, len(request.data))
        own, ratios = [], []
        for _ in range(rounds):
            usual = await self._service.cpu_seconds(plain)
            self._service.forget()
            seconds = await self._service.cpu_seconds(request.data, admin=request.admin)
            self._service.forget()
            own.append(seconds)
            ratios.append(seconds / usual)
        return Cost(request, min(own), median(ratios))

    async def _usual(self, request: Request) -> float:
        """Return the seconds of a plain request of about the same length."""
        endpoint = request.endpoint
        if endpoint not in self._plain:
            self._plain[endpoint] = [await self._plain_seconds(endpoint, n) for n in _LENGTHS]
        at = min(bisect_left(_LENGTHS, len(request.data)), len(_LENGTHS) - 1)
        return self._plain[endpoint][at]

    async def _plain_seconds(self, endpoint: str, length: int) -> float:
        plain, times = plain_request(self._mode, endpoint, length), []
        for _ in range(15):
            times.append(await self._service.cpu_seconds(plain))
            self._service.forget()
        return median(times)

"""Requests for paths that are no endpoint: a proxy whose configuration names a wrong one.

Such a proxy denies everything, and its own log says only that there was a 404. So the log has one
line a minute for each path. Any client may be able to send such requests, so the number of lines
is bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from verifier.http.request import Request
from verifier.log import log

_SECONDS: Final = 60.0
_MOST_PATHS: Final = 20  # lines in that time


class UnknownPaths:
    """Logs the paths that are no endpoint.

    Args:
        endpoints: The paths of the endpoints, for the log.
        clock: Monotonic time, seconds.
    """

    def __init__(self, endpoints: str, clock: Callable[[], float] = monotonic) -> None:
        self._endpoints = endpoints
        self._clock = clock
        # Hashes, because a path may contain a token.
        self._logged: set[int] = set()
        self._began = float("-inf")
        self._not_logged = 0

    def note(self, request: Request) -> None:
        """Log a request for a path that is no endpoint, unless that was done in this minute."""
        now = self._clock()
        if now - self._began >= _SECONDS:
            self._logged.clear()
            self._began = now
        path = request.target.partition("?")[0]
        key = hash(path)
        if key in self._logged:
            return
        if len(self._logged) >= _MOST_PATHS:
            self._not_logged += 1
            return
        self._logged.add(key)
        log(
            "unknown path",
            logging.WARNING,
            path=path,
            method=request.method,
            endpoints=self._endpoints,
            not_logged=self._not_logged or None,
        )
        self._not_logged = 0

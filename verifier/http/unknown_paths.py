"""Requests for paths that are no endpoint, or that have another method than the endpoint.

They come from a proxy whose configuration names a wrong endpoint: nginx asks ``/v1/verify`` with
GET. Such a proxy denies everything, and its own log says only that there was a 404 or 405. So the
log has one line a minute for each path. Any client may be able to send such requests, so the number
of lines is bounded.
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
    """Logs the paths that are no endpoint, and those with a wrong method.

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

    def note(self, request: Request, method: str | None = None) -> None:
        """Log a request that is for no endpoint, unless that was done in this minute.

        Args:
            request: The request.
            method: The method of the endpoint; None if the path is no endpoint.
        """
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
        not_logged = self._not_logged or None
        fields = {"path": path, "method": request.method, "not_logged": not_logged}
        if method is None:
            log("unknown path", logging.WARNING, **fields, endpoints=self._endpoints)
        else:
            log("wrong method", logging.WARNING, **fields, expected=method)
        self._not_logged = 0

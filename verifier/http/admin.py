"""The admin listener: metrics and health; nothing here decides about anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from verifier.http.service import not_found

_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


class AdminService:
    """Answers everything that comes to ``admin_listen``.

    Args:
        expose: Writes the metrics in Prometheus' text format.
        readiness: Says whether the service is ready, and the state of each key source.
    """

    def __init__(
        self, expose: Callable[[], bytes], readiness: Callable[[], tuple[bool, dict[str, Any]]]
    ) -> None:
        self._expose = expose
        self._readiness = readiness

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.partition("?")[0]
        if path == "/metrics":
            return _answer(self._expose(), _METRICS)
        if path == "/healthz":
            return _answer(b"ok\n", "text/plain; charset=utf-8")
        if path == "/readyz":
            ready, detail = self._readiness()
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            return _answer(json.dumps(detail).encode(), "application/json", status)
        return not_found()


def _answer(body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {
        "Server": "jitsi-verifier",
        "Content-Type": content_type,
        "Cache-Control": "no-store",
    }
    return web.Response(status=status, headers=headers, body=body)

"""The smallest aiohttp service: a ``web.Application`` that answers every request with 204."""

from __future__ import annotations

import os

from aiohttp import web


async def answer(_request: web.Request) -> web.Response:
    """Answer with 204."""
    return web.Response(status=204)


def main() -> None:
    """Serve until SIGTERM."""
    app = web.Application()
    app.router.add_get("/auth", answer)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)


if __name__ == "__main__":
    main()

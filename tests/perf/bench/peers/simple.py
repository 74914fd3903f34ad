"""A simple auth server: PyJWT's ``decode``, urllib, a cache of cachetools, and metrics.

``simple.py`` serves it as a ``web.Application``; ``simple.py hardened`` serves it with the HTTP
server of the verifier, so that only the HTTP server differs. It makes the checks of all peers:
algorithm, signature, exp, nbf, iss, aud, sub and room.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import jwt
from aiohttp import web
from cachetools import TLRUCache
from prometheus_client import CollectorRegistry, Counter, Histogram

from verifier.http.request import Request
from verifier.http.responses import Rendered, Response
from verifier.http.server import HttpServer

_CACHE_SECONDS: Final = 30
_REGISTRY: Final = CollectorRegistry()
_DECISIONS: Final = Counter("decisions", "Decisions.", ["outcome", "code"], registry=_REGISTRY)
_DURATION: Final = Histogram("duration_seconds", "Their duration.", registry=_REGISTRY)

Answer = tuple[int, dict[str, str]]


class AuthServer:
    """Answers ``/auth``; its variables are ALGORITHM, KEY_FILE, ISSUER and AUDIENCE."""

    def __init__(self) -> None:
        self._key = Path(os.environ["KEY_FILE"]).read_text(encoding="ascii")
        self._algorithm = os.environ["ALGORITHM"]
        self._issuer, self._audience = os.environ["ISSUER"], os.environ["AUDIENCE"]
        self._cache: TLRUCache[str, Answer] = TLRUCache(
            50_000, lambda _key, _answer, now: now + _CACHE_SECONDS, time.time
        )

    async def respond(self, request: web.Request) -> web.Response:
        """Answer one auth request of aiohttp."""
        status, headers = self._answer(request.headers["X-Original-URI"])
        return web.Response(status=status, headers=headers)

    def respond_hardened(self, request: Request) -> Rendered:
        """Answer one auth request of the verifier's server."""
        status, headers = self._answer(request.sole(b"x-original-uri") or "")
        return Response(HTTPStatus(status), headers).render()

    def _answer(self, original: str) -> Answer:
        started = time.perf_counter()
        key = sha256(original.encode()).hexdigest()
        answer = self._cache.get(key)
        if answer is None:
            answer = self._decide(original)
            if answer[0] == 200:
                self._cache[key] = answer
        status, headers = answer
        outcome = "allowed" if status == 200 else "denied"
        _DECISIONS.labels(outcome=outcome, code=headers.get("X-Jitsi-Denial", "")).inc()
        _DURATION.observe(time.perf_counter() - started)
        return answer

    def _decide(self, original: str) -> Answer:
        url = urlsplit(original)
        token = parse_qs(url.query).get("jwt", [""])[0]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            return 401, {"X-Jitsi-Denial": type(error).__name__}
        if claims.get("room") not in ("*", url.path.rpartition("/")[2]):
            return 403, {"X-Jitsi-Denial": "room-mismatch"}
        return 200, _identity(claims)


def _identity(claims: dict[str, Any]) -> dict[str, str]:
    user = claims.get("context", {}).get("user", {})
    return {
        "X-Jitsi-Room": quote(str(claims["room"])),
        "X-Jitsi-Subject": quote(str(claims["sub"])),
        "X-Jitsi-Issuer": quote(str(claims["iss"])),
        "X-Jitsi-User-Id": quote(str(user.get("id", "-"))),
        "X-Jitsi-User-Name": quote(str(user.get("name", "-"))),
        "X-Jitsi-User-Email": quote(str(user.get("email", "-"))),
        "X-Jitsi-Moderator": str(bool(user.get("moderator"))).lower(),
        "X-Jitsi-Expires": str(claims["exp"]),
        "Cache-Control": f"private, max-age={_CACHE_SECONDS}",
        "X-Accel-Expires": str(_CACHE_SECONDS),
    }


async def _serve_hardened(auth_server: AuthServer, port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = HttpServer(auth_server.respond_hardened)
    await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
    await stop.wait()
    await server.close()


def main() -> None:
    """Serve until SIGTERM."""
    auth_server, port = AuthServer(), int(os.environ["PORT"])
    if "hardened" in sys.argv:
        asyncio.run(_serve_hardened(auth_server, port))
        return
    app = web.Application()
    app.router.add_get("/auth", auth_server.respond)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main()

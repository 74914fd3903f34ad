"""Sends the requests of questions: one after the other, and never more than a hundred."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from verifier.check_gate.connection import CannotConnectError, Connection, Endpoint
from verifier.check_gate.model import Answer, Carrier, Request, Server
from verifier.version import VERSION

MAX_REQUESTS: Final = 100
"""The most requests that one run sends; the only place that says so."""
PAUSE: Final = 0.04
"""Seconds between two requests."""
MAX_SECONDS: Final = 600
"""Seconds after which a run sends no more requests. It is a limit for sites that answer slowly."""


class LimitError(Exception):
    """The run may send no more requests. The text says which limit is reached."""


@dataclass(frozen=True, slots=True)
class Site:
    """The site that is asked.

    Attributes:
        host: Its ``Host`` header.
        room: The room that the requests name.
        tenant: The tenant that they name.
        endpoints: Where each server is.
        internal: An address that the verifier may trust, for a forged header.
        timeout: The longest time for one answer, seconds.
    """

    host: str
    room: str
    tenant: str
    endpoints: Mapping[Server, Endpoint]
    internal: str = "127.0.0.1"
    timeout: float = 10.0


class Asker:
    """Sends requests to one site.

    Args:
        site: The site.
    """

    def __init__(self, site: Site) -> None:
        self.sent = 0
        self._begin = time.monotonic()
        self._site = site
        self._connections = {
            server: Connection(endpoint) for server, endpoint in site.endpoints.items()
        }

    def has(self, server: Server) -> bool:
        """Return whether it is known where this server would be."""
        return server in self._connections

    async def ask(self, request: Request, token: str) -> Answer:
        """Send a request with this token, if it is not empty; return the answer.

        Raises:
            CannotConnectError: No connection to the site itself could be made.
            LimitError: The run may send no more requests.
        """
        if self.sent >= MAX_REQUESTS:
            raise LimitError(f"the limit of {MAX_REQUESTS} requests is reached")
        if time.monotonic() - self._begin > MAX_SECONDS:
            raise LimitError(f"the limit of {MAX_SECONDS} s is reached")
        if self.sent:
            await asyncio.sleep(PAUSE)
        self.sent += 1
        connection = self._connections[request.server]
        try:
            async with asyncio.timeout(self._site.timeout):
                return await connection.ask(self.written(request, token))
        except TimeoutError:
            failure = f"no answer within {self._site.timeout:g} s"
            return Answer(failure=failure, connected=False)
        except CannotConnectError as error:
            if request.server is Server.SITE:
                raise
            return Answer(failure=str(error), connected=False)

    def written(self, request: Request, token: str) -> bytes:
        """Return the bytes of a request."""
        site = self._site
        target = _filled(request.path, site)
        fields = [("Host", request.host or site.host), ("User-Agent", f"jitsi-verifier/{VERSION}")]
        if token and request.carrier is Carrier.QUERY:
            target += f"{'&' if '?' in target else '?'}token={token}"
        elif token and request.carrier is Carrier.BEARER:
            fields.append(("Authorization", f"Bearer {token}"))
        fields += [
            (name, _filled(value, site).replace("{token}", token))
            for name, value in request.headers
        ]
        if request.upgrade:
            key = base64.b64encode(secrets.token_bytes(16)).decode()
            fields += [("Upgrade", "websocket"), ("Connection", "Upgrade")]
            fields += [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)]
            fields.append(("Sec-WebSocket-Protocol", "xmpp"))
        if request.body or request.method == "POST":
            fields.append(("Content-Length", str(len(request.body.encode()))))
        lines = [f"{request.method} {target} HTTP/1.1", *map(": ".join, fields)]
        return "\r\n".join([*lines, "", request.body]).encode("utf-8", "surrogateescape")

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            await connection.close()


def _filled(text: str, site: Site) -> str:
    """Return a text of the table with the attributes of the site that it names."""
    for name in ("room", "tenant", "host", "internal"):
        text = text.replace(f"{{{name}}}", getattr(site, name))
    return text

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.system.nginx.sites import Sidecar
from tests.system.prosody.bosh_client import BoshClient
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.websocket_client import SECONDS, Client


@dataclass
class Deployment:
    """Everything that the tests talk to.

    Attributes:
        prosody: The server under test.
        fake: The verifier of fault.test, which also serves keys.
        mortal: The verifier of down.test, which tests start and stop.
    """

    prosody: Prosody
    fake: FakeVerifier
    mortal: Sidecar


@dataclass
class Visitors:
    """Makes clients, and ends their connections after the test."""

    http: aiohttp.ClientSession
    port: int
    clients: list[Client] = field(default_factory=list)

    def websocket(self, host: str, query: str = "", **headers: str) -> Client:
        """Prepare a client over WebSocket; header names have "_" for "-"."""
        client = Client(self.http, self.port, host, query, _fields(headers))
        self.clients.append(client)
        return client

    def bosh(self, host: str, query: str = "", **headers: str) -> BoshClient:
        """Prepare a client over BOSH."""
        return BoshClient(self.http, self.port, host, query, _fields(headers))

    async def enter(self, host: str, query: str = "") -> Client:
        """Log in over WebSocket, which has to work."""
        client = self.websocket(host, query)
        refusal = await client.login()
        assert refusal is None, refusal
        return client


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # what is awaited is another process's
            await asyncio.sleep(0.01)


def _fields(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

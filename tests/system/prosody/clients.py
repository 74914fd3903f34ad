"""XMPP clients of a test, and the programs that they talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.system.nginx.sites import Sidecar
from tests.system.prosody.bosh_client import BoshClient
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.websocket_client import SECONDS, WebSocketClient


@dataclass
class Deployment:
    """The programs that tests talk to.

    Attributes:
        prosody: The server under test.
        fake_verifier: The verifier of fault.test, which also serves keys.
        restarted_verifier: The verifier of down.test, which a test starts and stops.
        verifier: The verifier of hs.test.
    """

    prosody: Prosody
    fake_verifier: FakeVerifier
    restarted_verifier: Sidecar
    verifier: Sidecar


@dataclass
class ClientFactory:
    """Makes clients; the fixture closes their connections after the test."""

    http: aiohttp.ClientSession
    port: int
    clients: list[WebSocketClient] = field(default_factory=list)

    def websocket(self, host: str, query: str = "", **headers: str) -> WebSocketClient:
        """Return a client over WebSocket; "_" in the names of ``headers`` stands for "-"."""
        client = WebSocketClient(self.http, self.port, host, query, _fields(headers))
        self.clients.append(client)
        return client

    def bosh(self, host: str, query: str = "", **headers: str) -> BoshClient:
        """Return a client over BOSH."""
        return BoshClient(self.http, self.port, host, query, _fields(headers))

    async def log_in(self, host: str, query: str = "") -> WebSocketClient:
        """Return a client that has logged in over WebSocket; a refusal fails the test."""
        client = self.websocket(host, query)
        refusal = await client.login()
        assert refusal is None, refusal
        return client


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # the condition depends on another process
            await asyncio.sleep(0.01)


def _fields(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

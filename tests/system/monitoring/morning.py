"""A morning at a Jitsi behind nginx: people who arrive and stay, guests, and bots.

Every client has its own address, of which 127.0.0.0/8 has enough. A second stands for a minute.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from tests.support.tokens import SECRET, sign
from tests.system.nginx.sites import APP_ID, Site

OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"
_KEEP_ALIVE = 1.5
_BOT_PAUSE = 0.05
_SOON = 8
_NEVER = 4_000_000_000


class Morning:
    """Sends the requests of all clients while the context is entered.

    Args:
        site: nginx and the service.
    """

    def __init__(self, site: Site) -> None:
        self._port = site.nginx.port
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Return this object."""
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop all clients."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        errors = [each for each in results if isinstance(each, Exception)]
        assert errors == []

    def begin(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Repeat some work until it is cancelled."""

        async def repeat() -> None:
            while True:
                await work()

        task = asyncio.create_task(repeat())
        self._tasks.append(task)
        return task

    async def arrive(self, *, secret: str = SECRET, **claims: Any) -> bool:
        """Open a room's page and its signalling; return whether the person was let in."""
        number = next(self._numbers)
        address, token = _address(number), _token(secret, jti=str(number), **claims)
        if await self._get(address, f"/standup?jwt={token}") != 200:
            return False
        return await self._get(address, f"/http-bind?room=standup&token={token}") == 200

    async def arrive_and_stay(self) -> None:
        """Arrive with a token that ends soon, and send keep-alives from then on."""
        address = _address(next(self._numbers))
        token = _token(SECRET, jti=address, exp=int(time.time()) + _SOON)
        assert await self._get(address, f"/standup?jwt={token}") == 200

        async def send_keep_alive() -> None:
            await asyncio.sleep(_KEEP_ALIVE)
            await self._get(address, f"/xmpp-websocket?room=standup&token={token}")

        self.begin(send_keep_alive)

    async def guess(self, address: str) -> None:
        """Try an invented token."""
        number = next(self._numbers)
        await self._get(address, f"/standup?jwt={_token('x' * 40, jti=str(number))}")
        await asyncio.sleep(_BOT_PAUSE)

    async def _get(self, address: str, target: str) -> int:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(address, 0)
        )
        head = f"GET {target} HTTP/1.1\r\nHost: meet.example.org\r\nConnection: close\r\n\r\n"
        try:
            writer.write(head.encode())
            return int((await reader.read())[9:12])
        finally:
            # Also for a cancelled client: a writer that outlives its event loop warns of it.
            writer.close()


def _address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _token(secret: str, **claims: Any) -> str:
    usual = {"iss": APP_ID, "aud": "jitsi", "sub": "*", "room": "standup", "exp": _NEVER}
    return sign(usual | claims, key=secret)

"""The identity provider: what it publishes, how it fails, and how it starts again.

``OUTAGES`` is the table of scenarios. They follow each other, with a pause after each.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from signal import SIGHUP, SIGKILL, SIGTERM, Signals
from typing import Any, Final

from tests.perf.soak.key_forms import DOCUMENTS
from tests.perf.soak.keys import FAULTS
from tests.support.key_server import KeyServer, Reply

RESTART_SECONDS: Final = 1.0
"""How long a restart of the provider takes."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One scenario.

    Attributes:
        fault: How the provider fails: a name of ``FAULTS``, "slow" or "TLS reset".
        signal: What is sent to the service meanwhile: SIGHUP reloads it; after SIGKILL or SIGTERM
            it is started again, still without the provider. None for nothing.
    """

    fault: str
    signal: Signals | None = None


OUTAGES: Final = (
    Outage("500", SIGKILL),
    Outage("TLS reset", SIGHUP),
    Outage("slow"),
    Outage("refused", SIGTERM),
    Outage("stall", SIGHUP),
    Outage("garbage"),
    Outage("stall in body", SIGKILL),
    Outage("500", SIGHUP),
    Outage("404"),
    Outage("TLS reset", SIGTERM),
    Outage("slow", SIGHUP),
    Outage("nothing usable", SIGHUP),
    Outage("slow", SIGKILL),
    Outage("refused", SIGHUP),
    Outage("cut off"),
    Outage("304", SIGTERM),
    Outage("redirect"),
    Outage("huge", SIGHUP),
    Outage("another type"),
)
_REPLIES: Final = {**FAULTS, "nothing usable": Reply(b'{"keys": [{"kty": "oct"}]}')}
_SLOW_SECONDS: Final = 2.0  # less than key_fetch_timeout


class Provider:
    """The key server with its faults.

    Args:
        server: The key server.
    """

    def __init__(self, server: KeyServer) -> None:
        self._server = server
        self._forms = itertools.cycle(DOCUMENTS)
        self._resets: asyncio.Server | None = None

    def publish(self, jwks: Iterable[dict[str, Any]], max_age: int) -> None:
        """Publish exactly these keys, in the next form, fresh for ``max_age`` seconds."""
        body, headers = next(self._forms)(list(jwks)), {"Cache-Control": f"max-age={max_age}"}
        self._server.replies["/jwks"] = Reply(body, headers=headers)

    async def fail(self, fault: str) -> None:
        """Begin to fail."""
        self._server.delay = _SLOW_SECONDS if fault == "slow" else 0.0
        self._server.reply_to_all = _REPLIES.get(fault)
        if fault in ("refused", "TLS reset"):
            await self._server.stop_listening()
            self._server.reset_connections()
        if fault == "TLS reset":
            port = int(self._server.url.rpartition(":")[2])
            self._resets = await asyncio.start_server(_reset, "127.0.0.1", port)

    async def recover(self, fault: str) -> None:
        """Work again."""
        if self._resets is not None:
            self._resets.close()
            self._resets = None
        if fault in ("refused", "TLS reset"):
            await self._server.start_listening()
        self._server.release.set()
        self._server.release = asyncio.Event()
        self._server.delay, self._server.reply_to_all = 0.0, None


async def _reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset a connection before its TLS handshake."""
    # Without lingering, a closed connection is reset.
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()

"""Lets clients of a test reach a server in the network of a copy of a Debian."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_SETNS: Final = ctypes.CDLL(None, use_errno=True).setns  # Python 3.12 has os.setns
_ANY_NAMESPACE: Final = 0


class Forwarder:
    """Listens on a port of this machine, and connects each client to a server in another network.

    Args:
        network: The file that stands for the network, such as ``/proc/1/ns/net``.
        port: The server's port on 127.0.0.1 of that network.
        tls_host: The host for which the server has a certificate, or empty. With a host, clients
            speak plain HTTP to this port, and the server receives TLS.
    """

    def __init__(self, network: Path, port: int, tls_host: str = "") -> None:
        self._network, self._target, self._tls_host = network, port, tls_host
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        # A socket belongs to the network in which its thread is when it makes the socket.
        descriptor = os.open(self._network, os.O_RDONLY)
        assert _SETNS(descriptor, _ANY_NAMESPACE) == 0, os.strerror(ctypes.get_errno())
        os.close(descriptor)
        serving = asyncio.start_server(self._forward, sock=self._listener)
        server = self._loop.run_until_complete(serving)
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _forward(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            reader, writer = await self._connect()
            await asyncio.gather(_copy(client_reader, writer), _copy(reader, client_writer))
        client_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._tls_host:
            return await asyncio.open_connection("127.0.0.1", self._target)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # curl checks it
        return await asyncio.open_connection(
            "127.0.0.1", self._target, ssl=context, server_hostname=self._tls_host
        )


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

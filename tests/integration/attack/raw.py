"""A client's end of a socket: sends bytes, and reads all bytes until the server closes."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from tests.support.processes import RunningVerifier

TIMEOUT = 8.0  # seconds; less than the server gives a body
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3}) ")


def connect(port: int, timeout: float = TIMEOUT) -> socket.socket:
    """Return a new connection."""
    client = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def rest(client: socket.socket) -> bytes:
    """Return all bytes until the server closes or resets the connection."""
    received = bytearray()
    with suppress(ConnectionError):
        while part := client.recv(65_536):
            received += part
    return bytes(received)


def exchange(port: int, request: bytes, *, half_close: bool = False) -> bytes:
    """Send a request, and return all bytes until the server closes.

    Args:
        port: The port.
        request: The bytes of the request.
        half_close: Close this side once a response begins: the server may wait for a body that
            was announced.
    """
    with connect(port) as client:
        with suppress(ConnectionError):  # the server may have refused the first part already
            client.sendall(request)
        received = b""
        if half_close:
            with suppress(ConnectionError):
                received = client.recv(65_536)
                client.shutdown(socket.SHUT_WR)
        return received + rest(client)


def port_of(verifier: RunningVerifier, *, admin: bool) -> int:
    """Return the port of one of the two addresses."""
    return verifier.admin if admin else verifier.port


def statuses(received: bytes) -> list[int]:
    """Return the status of each response."""
    return [int(found) for found in _STATUS.findall(received)]

"""A client's end of a socket: bytes out, and everything that comes until the server closes."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from tests.support.processes import RunningVerifier

PATIENCE = 8.0  # seconds; less than the server gives a body
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3}) ")


def connect(port: int, patience: float = PATIENCE) -> socket.socket:
    """Connect."""
    client = socket.create_connection(("127.0.0.1", port), timeout=patience)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def rest(client: socket.socket) -> bytes:
    """Read until the server has closed the connection, or has reset it."""
    said = bytearray()
    with suppress(ConnectionError):
        while part := client.recv(65_536):
            said += part
    return bytes(said)


def exchange(port: int, request: bytes, *, leaves: bool = False) -> bytes:
    """Send a request; give what comes until the server closes.

    Args:
        port: Where to.
        request: All of it.
        leaves: Say that nothing more will come once an answer begins: a server may wait for the
            body that was announced.
    """
    with connect(port) as client:
        with suppress(ConnectionError):  # it may have refused what it has seen so far
            client.sendall(request)
        said = b""
        if leaves:
            with suppress(ConnectionError):
                said = client.recv(65_536)
                client.shutdown(socket.SHUT_WR)
        return said + rest(client)


def port_of(verifier: RunningVerifier, *, admin: bool) -> int:
    """Give the port of one of the two addresses."""
    return verifier.admin if admin else verifier.port


def statuses(said: bytes) -> list[int]:
    """Give the status of each answer."""
    return [int(found) for found in _STATUS.findall(said)]

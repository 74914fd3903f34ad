"""HTTP requests that are written byte for byte: no client library corrects a target or a header."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its whole body."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "surrogateescape")

    @property
    def denial(self) -> tuple[int, str | None]:
        """The status and the denial code; the code is None if there is none."""
        return self.status, self.headers["X-Jitsi-Denial"]

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def send(
    port: int,
    target: str,
    *headers: Header,
    method: str = "GET",
    body: bytes = b"",
    host: str = "meet.example.org",
    source: str = "127.0.0.1",
) -> Answer:
    """Send one request on a new connection and return the whole response.

    ``source`` is the loopback address of the client.
    """
    fields: list[Header] = [("Host", host), *headers, ("Connection", "close")]
    if body:
        fields.append(("Content-Length", str(len(body))))
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=20, source_address=(source, 0)) as connection:
        connection.sendall(_head(method, target, fields) + body)
        return _read(connection, method)


def send_all(port: int, targets: Iterable[str], *headers: Header) -> list[Answer]:
    """Send GET requests one after the other on one connection."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for target in targets:
            connection.sendall(_head("GET", target, [("Host", "meet.example.org"), *headers]))
            answers.append(_read(connection, "GET"))
    return answers


def _head(method: str, target: str, fields: list[Header]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _read(connection: socket.socket, method: str) -> Answer:
    with HTTPResponse(connection, method=method) as response:
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body)

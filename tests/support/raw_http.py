"""One request to a server, written byte for byte: no client here corrects a target or a header."""

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
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "surrogateescape")

    @property
    def refusal(self) -> tuple[int, str | None]:
        """The status, and the denial code if there is one."""
        return self.status, self.headers["X-Jitsi-Denial"]

    def json(self) -> Any:
        """The body, read as JSON."""
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
    """Send one request on a connection of its own and read the whole answer."""
    fields: list[Header] = [("Host", host), *headers, ("Connection", "close")]
    if body:
        fields.append(("Content-Length", str(len(body))))
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=20, source_address=(source, 0)) as connection:
        connection.sendall(_head(method, target, fields) + body)
        return _read(connection, method)


def send_all(port: int, targets: Iterable[str], *headers: Header) -> list[Answer]:
    """Send requests one after the other on one connection."""
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

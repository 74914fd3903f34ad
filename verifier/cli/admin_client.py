"""Requests to the running service at its admin address; knows no endpoint."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any, Final

from verifier.config import Settings
from verifier.config.addresses import Address, UnixAddress

_TIMEOUT_SECONDS: Final = 30.0
# A service that listens on all addresses is reached on the loopback.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not listened on
_NOT_FOUND: Final = 404


class NoAnswerError(Exception):
    """The service did not answer as expected. The text says at which address, and why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of the service.

    Attributes:
        status: The HTTP status.
        body: The JSON document; empty if there is none.
    """

    status: int
    body: dict[str, Any]

    @property
    def is_success(self) -> bool:
        """Whether the service did what was requested."""
        return 200 <= self.status < 300  # RFC 9110, 15.3

    @property
    def is_not_found(self) -> bool:
        """Whether the service does not have what was requested."""
        return self.status == _NOT_FOUND

    @property
    def detail(self) -> str:
        """Why the service did not do what was requested."""
        return str(self.body.get("detail") or f"HTTP status {self.status}")


def send_request(
    settings: Settings, address: Address | None, method: str, path: str, body: str = ""
) -> Reply:
    """Send one request to the service, and return its response.

    Args:
        settings: The service's configuration, with its admin address and admin token.
        address: An address to use instead of the configured one.
        method: The HTTP method.
        path: The endpoint.
        body: JSON; empty for no body.

    Raises:
        NoAnswerError: There was no response, or not one of the service.
    """
    address = address or settings.admin_listen
    headers = {"Content-Type": "application/json"} if body else {}
    if settings.admin_token is not None:
        headers["Authorization"] = f"Bearer {settings.admin_token}"
    connection = _connection(address)
    try:
        connection.request(method, path, body.encode() or None, headers)
        response = connection.getresponse()
        text = response.read()
        document = json.loads(text) if text else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        expected = "expected the running service's admin address"
        raise NoAnswerError(f"{address}: {reason}; {expected}") from None
    finally:
        connection.close()
    return Reply(response.status, document if isinstance(document, dict) else {})


def _connection(address: Address) -> http.client.HTTPConnection:
    if isinstance(address, UnixAddress):
        return _UnixConnection(address.path)
    host = _LOOPBACK.get(address.host, address.host)
    return http.client.HTTPConnection(host, address.port, timeout=_TIMEOUT_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket.

    Args:
        path: The path of the socket.
    """

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket, not to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

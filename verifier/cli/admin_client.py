"""Questions to the running service, over its admin address; knows no endpoint."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any, Final

from verifier.config import Settings
from verifier.config.addresses import Address, UnixAddress

_SECONDS: Final = 30.0
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # looked for, not listened on
_NOT_FOUND: Final = 404


class NoAnswerError(Exception):
    """The service did not answer, or not as it does; says where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service said.

    Attributes:
        status: The HTTP status.
        body: The JSON document; empty where there is none.
    """

    status: int
    body: dict[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked to do."""
        return 200 <= self.status < 300  # RFC 9110, 15.3

    @property
    def is_unknown(self) -> bool:
        """Whether there is nothing of that name."""
        return self.status == _NOT_FOUND

    @property
    def detail(self) -> str:
        """Why it did not."""
        return str(self.body.get("detail") or f"HTTP status {self.status}")


def ask(
    settings: Settings, address: Address | None, method: str, path: str, body: str = ""
) -> Reply:
    """Ask the service.

    Args:
        settings: Its configuration, admin token included.
        address: Where to ask instead of at the configured address.
        method: The HTTP method.
        path: The endpoint.
        body: JSON; empty for none.

    Raises:
        NoAnswerError: nobody answered, or not as the service does.
    """
    where = address or settings.admin_listen
    headers = {"Content-Type": "application/json"} if body else {}
    if settings.admin_token is not None:
        headers["Authorization"] = f"Bearer {settings.admin_token}"
    connection = _connection(where)
    try:
        connection.request(method, path, body.encode() or None, headers)
        response = connection.getresponse()
        text = response.read()
        found = json.loads(text) if text else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        expected = "expected the running service's admin address"
        raise NoAnswerError(f"{where}: {reason}; {expected}") from None
    finally:
        connection.close()
    return Reply(response.status, found if isinstance(found, dict) else {})


def _connection(address: Address) -> http.client.HTTPConnection:
    if isinstance(address, UnixAddress):
        return _UnixConnection(address.path)
    host = _ANY.get(address.host, address.host)
    return http.client.HTTPConnection(host, address.port, timeout=_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket.

    Args:
        path: The socket's.
    """

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

"""The head of a request, as the endpoints read it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from multidict import MultiMapping

READ_METHODS: Final = ("GET", "HEAD")
"""The methods of endpoints that change nothing."""


class RequestHead(Protocol):
    """A request's head: an aiohttp request, or the ``ParsedHead`` of the fast lane."""

    @property
    def method(self) -> str:
        """The method, upper case."""

    @property
    def raw_path(self) -> str:
        """The request-target, not decoded."""

    @property
    def headers(self) -> MultiMapping[str]:
        """All header fields; the lookup of a name ignores case."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport; None once the connection is gone."""


@dataclass(frozen=True, slots=True)
class ParsedHead:
    """A head that the fast lane has read; no header in it is doubled."""

    method: str
    raw_path: str = field(repr=False)
    headers: MultiMapping[str] = field(repr=False)
    transport: asyncio.Transport | None = None


def sole_header(request: RequestHead, name: str) -> str | None:
    """Return the value of a header; None if the header is missing or doubled."""
    values = request.headers.getall(name, ())
    return values[0] if len(values) == 1 else None


def peer_of(request: RequestHead) -> Any:
    """Return the peer of a request's connection as ``socket.getpeername`` returns it.

    Returns:
        A tuple for TCP, a string or bytes for a unix socket; None once the connection is gone.
    """
    return request.transport.get_extra_info("peername") if request.transport else None

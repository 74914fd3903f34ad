"""One request, as the endpoints read it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

READ_METHODS: Final = ("GET", "HEAD")
"""The methods of endpoints that change nothing."""


class Request:
    """One whole request.

    A plain class, because a frozen dataclass takes three times as long to make.

    Attributes:
        method: The method; one that llhttp knows, upper case.
        target: The request-target as the client sent it: ASCII, not decoded, not normalised. It
            begins with ``/``.
        fields: The header fields, names in lower case. A doubled field has its first value here.
            The values are as the client sent them: blanks may stand at their end.
        doubled: For each field that occurs more than once, its further values.
        body: The body; empty if the endpoint takes none.
        transport: The connection's transport; None in tests that have no connection.
    """

    __slots__ = ("body", "doubled", "fields", "method", "target", "transport")

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a request
        self,
        method: str,
        target: str,
        fields: dict[bytes, bytes],
        doubled: dict[bytes, list[bytes]],
        body: bytes = b"",
        transport: asyncio.Transport | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.doubled = doubled
        self.body = body
        self.transport = transport

    def sole(self, name: bytes) -> str | None:
        """Return the value of a header; None if the header is missing or doubled.

        Args:
            name: The header's name in lower case.
        """
        value = self.fields.get(name)
        return None if value is None or name in self.doubled else _text(value)

    def values(self, name: bytes) -> list[str]:
        """Return all values of a header, in the order in which they came.

        Args:
            name: The header's name in lower case.
        """
        value = self.fields.get(name)
        if value is None:
            return []
        return [_text(value), *map(_text, self.doubled.get(name, ()))]

    @property
    def peer(self) -> Any:
        """The peer of the connection as ``socket.getpeername`` returns it.

        A tuple for TCP, a string or bytes for a unix socket; None once the connection is gone.
        """
        return self.transport.get_extra_info("peername") if self.transport else None


def _text(value: bytes) -> str:
    """Decode a header value; bytes that are not UTF-8 become lone surrogates."""
    return value.rstrip(b" \t").decode("utf-8", "surrogateescape")

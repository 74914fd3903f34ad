"""A client that writes requests byte for byte, and reads the responses with llhttp.

Other HTTP clients correct a target before they send it: they resolve dots, encode characters and
merge slashes. Then a question about such a target would not be asked. So this module writes the
bytes itself, and knows as much of HTTP as that needs. Responses are read by ``httptools``.

One connection to each server is kept open between requests. If the server has closed it meanwhile,
the request is sent once more on a new one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httptools

from verifier.check_gate.model import Answer, Header

LONGEST_BODY: Final = 65_536
"""Bytes of a body that are read. The rest, such as of a script, is of no interest."""
_LONGEST_RESPONSE: Final = 262_144
_PIECE: Final = 65_536
_MASK: Final = b"\x00\x00\x00\x00"
_CLOSE_FRAME: Final = b"\x88\x82" + _MASK + (1000).to_bytes(2, "big")  # RFC 6455, sections 5.5, 7.4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect.

    Attributes:
        host: The host to connect to, a name or an address.
        port: Its port.
        tls: The context for TLS; None for plain HTTP.
        name: The name that the certificate has to be for.
        stands_in: Whether the operator has named this address for the port, as one from which the
            port is seen as the world sees it.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    name: str = ""
    stands_in: bool = False


class CannotConnectError(Exception):
    """No connection could be made. The text says why, and what to do."""


class _TooLongError(Exception):
    """The server sends headers or interim responses without end."""


@dataclass
class _Message:
    """What llhttp has read of one response."""

    headers: list[Header] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    status: int = 0

    def __post_init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.body += data[: LONGEST_BODY - len(self.body)]

    def on_message_complete(self) -> None:
        self.complete = self.has_head

    @property
    def has_head(self) -> bool:
        """Whether the status is final: an interim one, such as 100, is followed by another."""
        return self.status >= 200 or self.status == 101


class Connection:
    """A connection that is opened when it is needed.

    Args:
        endpoint: Where to connect.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._own_address = False

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request, not one of HEAD, and return the response.

        Raises:
            CannotConnectError: No connection could be made.
        """
        reused = self._streams is not None
        answer = await self._ask_once(request)
        if reused and answer.failure:
            # The server closed the idle connection at the same moment.
            answer = await self._ask_once(request)
        return answer

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        writer.close()
        with suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()

    async def _ask_once(self, request: bytes) -> Answer:
        reader, writer = self._streams or await self._open()
        message = _Message()
        try:
            writer.write(request)
            await writer.drain()
            await self._read(reader, message)
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return Answer(failure="the connection was closed without an answer")
        except httptools.HttpParserError:
            await self.close()
            return Answer(failure="the answer is not HTTP")
        except asyncio.CancelledError:
            writer.transport.abort()
            self._streams = None
            raise
        except _TooLongError:
            await self.close()
            return Answer(failure=f"no answer in the first {_LONGEST_RESPONSE} bytes")
        return await self._finish(message, writer)

    async def _finish(self, message: _Message, writer: asyncio.StreamWriter) -> Answer:
        if message.status == 101:
            # An opened websocket is closed at once, as a client does that changes its mind.
            with suppress(OSError):
                writer.write(_CLOSE_FRAME)
                await writer.drain()
        finished = message.complete and message.status != 101
        if not finished or not message.parser.should_keep_alive():
            await self.close()
        return Answer(
            message.status,
            tuple(message.headers),
            bytes(message.body),
            own_address=self._own_address,
        )

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        endpoint = self._endpoint
        options: dict[str, Any] = {}
        if endpoint.tls is not None:
            options = {"ssl": endpoint.tls, "server_hostname": endpoint.name}
        try:
            reader, writer = await asyncio.open_connection(
                endpoint.host, endpoint.port, limit=_PIECE, **options
            )
        except ssl.SSLCertVerificationError as error:
            raise CannotConnectError(
                f"the certificate is not accepted ({error.verify_message}); give the file of its"
                " certification authority with --ca, or --insecure"
            ) from None
        except ssl.SSLError as error:
            raise CannotConnectError(f"no TLS ({error.reason or 'failed'})") from None
        except OSError as error:
            raise CannotConnectError(_reason(error)) from None
        except (UnicodeError, ValueError):
            # Python raises them for names that DNS or TLS cannot have, such as "a..b".
            raise CannotConnectError("the name of the host cannot be used") from None
        self._streams = reader, writer
        self._own_address = not endpoint.stands_in and _is_own_address(writer)
        return self._streams

    @staticmethod
    async def _read(reader: asyncio.StreamReader, message: _Message) -> None:
        """Read until the response is complete, or long enough to be evaluated."""
        received = 0
        while not message.complete:
            data = await reader.read(_PIECE)
            if not data:
                if message.has_head:
                    return  # a body that ends with the connection
                raise asyncio.IncompleteReadError(b"", None)
            received += len(data)
            with suppress(httptools.HttpParserUpgrade):
                message.parser.feed_data(data)
            if received > _LONGEST_RESPONSE:
                if message.has_head:
                    return
                raise _TooLongError


def _reason(error: OSError) -> str:
    """Return why a connection could not be made, without the addresses that asyncio adds."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or str(error) or "no connection").partition(":")[0].lower()


def _is_own_address(writer: asyncio.StreamWriter) -> bool:
    """Return whether the other end has an address of this machine."""
    peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    return bool(ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback or peer[0] == own[0])

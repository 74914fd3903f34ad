"""An XMPP client over WebSocket (RFC 7395), which keeps every element that it receives."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from socket import SHUT_RDWR

import aiohttp
from yarl import URL

from tests.system.prosody import stanzas
from tests.system.prosody.stanzas import (
    BIND,
    CLIENT,
    DROPPED,
    FRAMING,
    SASL,
    SM,
    Element,
    Joined,
    Refusal,
    name,
)

SECONDS = 15.0


class WebSocketClient:
    """One connection.

    Args:
        http: Shared by all clients of a test.
        port: Prosody's HTTP port.
        host: The VirtualHost to log in to.
        query: The raw query of the connection's URL, where Jitsi's client puts the token.
        headers: Headers of the upgrade request.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        port: int,
        host: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self._url = URL(f"http://127.0.0.1:{port}/xmpp-websocket?{query}", encoded=True)
        self._headers = headers
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.host = host
        self.jid = ""
        self.skipped: list[Element] = []

    @property
    def bare_jid(self) -> str:
        """The JID without its resource."""
        return self.jid.partition("/")[0]

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        """The open connection."""
        assert self._socket is not None
        return self._socket

    async def open(self) -> Element:
        """Connect and open a stream; return its features."""
        self._socket = await self._http.ws_connect(
            self._url,
            protocols=("xmpp",),
            headers=self._headers,
            timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
        )
        return await self._open_stream()

    async def login(self, mechanism: str = "ANONYMOUS", initial: bytes = b"") -> Refusal | None:
        """Connect, log in and bind; return the refusal, or None and set ``jid``."""
        if self._socket is None:
            await self.open()
        refusal = await self.authenticate(mechanism, initial)
        if refusal is None:
            await self._open_stream()
            await self._bind()
        return refusal

    async def authenticate(
        self, mechanism: str = "ANONYMOUS", initial: bytes = b""
    ) -> Refusal | None:
        """Log in on an open stream; return the refusal or None."""
        await self.start_authentication(mechanism, initial)
        return await self.authentication_result()

    async def authentication_result(self) -> Refusal | None:
        """Wait for the answer to a login; return the refusal or None."""
        try:
            answer = await self.expect(lambda e: e.tag.startswith(f"{{{SASL}}}"))
        except ConnectionResetError:
            return DROPPED
        return None if name(answer) == "success" else stanzas.sasl_refusal(answer)

    async def start_authentication(
        self, mechanism: str = "ANONYMOUS", initial: bytes = b""
    ) -> None:
        """Send a login on an open stream, without waiting for the answer."""
        data = base64.b64encode(initial).decode()
        await self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{data}</auth>")

    async def login_as(self, user: str) -> None:
        """Log in with a user name on a host that accepts any password."""
        assert await self.login("PLAIN", f"\0{user}\0x".encode()) is None

    async def join(
        self, room_jid: str, nick: str = "me", password: str | None = None
    ) -> Joined | Refusal:
        """Join a room."""
        await self.send(stanzas.join(room_jid, nick, password))
        return await self.join_result()

    async def join_result(self) -> Joined | Refusal:
        """Wait for the answer to a join."""
        return stanzas.join_result(await self.expect(stanzas.is_join_answer))

    async def leave(self, room_jid: str, nick: str = "me") -> None:
        """Leave a room, and wait until Prosody confirms it."""
        await self.send(stanzas.leave(room_jid, nick))
        # An owner may get other presences of themselves first.
        await self.expect(lambda e: e.get("type") == "unavailable" and stanzas.is_self_presence(e))

    async def change_room(self, room_jid: str) -> Refusal | None:
        """Change the configuration of a room; return the refusal or None."""
        await self.send(stanzas.change_room(room_jid))
        answer = await self.expect(lambda e: e.get("id") == "change")
        return stanzas.stanza_refusal(answer) if answer.get("type") == "error" else None

    async def ping(self, identity: str = "ping") -> None:
        """Ping the server, and wait for the answer."""
        await self.send(stanzas.ping(self.host, identity))
        await self.expect(lambda e: e.get("id") == identity)

    async def make_resumable(self) -> str:
        """Enable stream management; return the id that resumes this session."""
        await self.send(f"<enable xmlns='{SM}' resume='true'/>")
        enabled = await self.expect(lambda e: e.tag == f"{{{SM}}}enabled")
        return enabled.attrib["id"]

    async def start_resumption(self, previous: str, user: str = "", received: int = 0) -> None:
        """Log in, as a user if there is a name, and request to resume a session."""
        await self.open()
        login = ("PLAIN", f"\0{user}\0x".encode()) if user else ("ANONYMOUS", b"")
        assert await self.authenticate(*login) is None
        await self._open_stream()
        await self.request_resumption(previous, received)

    async def request_resumption(self, previous: str, received: int = 0) -> None:
        """Request to resume a session, with the number of stanzas that were received in it."""
        await self.send(f"<resume xmlns='{SM}' h='{received}' previd='{previous}'/>")

    async def resumption_result(self) -> str:
        """Wait for the answer to a resumption; return ``resumed`` or ``failed``."""
        return name(await self.expect(lambda e: name(e) in {"resumed", "failed"}))

    async def resume(self, previous: str, user: str = "") -> str:
        """Log in and resume a session; return ``resumed`` or ``failed``.

        Raises:
            ConnectionResetError: the server has ended the connection.
        """
        await self.start_resumption(previous, user)
        return await self.resumption_result()

    async def send(self, text: str) -> None:
        """Send one frame."""
        await self.socket.send_str(text)

    async def expect(self, is_expected: Callable[[Element], bool]) -> Element:
        """Wait for an element; earlier elements are kept in ``skipped``.

        Raises:
            ConnectionResetError: the server has ended the connection.
        """
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise ConnectionResetError(f"closed by Prosody: {message.type}")
                element = stanzas.parse(message.data)
                if is_expected(element):
                    return element
                self.skipped.append(element)

    async def drop(self) -> None:
        """Cut the connection, as a network failure does."""
        self.socket.get_extra_info("socket").shutdown(SHUT_RDWR)

    async def close(self) -> None:
        """Close the connection, if it is open."""
        if self._socket is not None:
            await self._socket.close()

    async def _open_stream(self) -> Element:
        await self.send(f"<open xmlns='{FRAMING}' to='{self.host}' version='1.0'/>")
        return await self.expect(lambda e: name(e) == "features")

    async def _bind(self) -> None:
        await self.send(f"<iq xmlns='{CLIENT}' type='set' id='bind'><bind xmlns='{BIND}'/></iq>")
        answer = await self.expect(lambda e: e.get("id") == "bind")
        self.jid = answer.findtext(f"{{{BIND}}}bind/{{{BIND}}}jid") or ""

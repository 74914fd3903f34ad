"""An XMPP client over BOSH (XEP-0124, XEP-0206), with the functions that tests need."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress

import aiohttp
from yarl import URL

from tests.system.prosody import stanzas
from tests.system.prosody.stanzas import (
    BIND,
    CLIENT,
    DROPPED,
    SASL,
    Element,
    Joined,
    Refusal,
    name,
)

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
SECONDS = 15.0


class BoshClient:
    """One session.

    Args:
        http: Shared by all clients of a test.
        port: Prosody's HTTP port.
        host: The VirtualHost to log in to.
        query: The raw query of the URL.
        headers: Headers of every request.
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
        self._url = URL(f"http://127.0.0.1:{port}/http-bind?{query}", encoded=True)
        self._headers = headers
        self._ids = itertools.count(1000)
        self._sid = ""
        self._received: list[Element] = []
        self.host = host
        self.jid = ""

    async def login(self) -> Refusal | None:
        """Open a session, log in and bind; return the refusal, or None and set ``jid``."""
        await self._post(f"to='{self.host}' wait='5' hold='1' ver='1.6' xmpp:version='1.0'")
        try:
            await self._send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
            answer = await self._expect(lambda e: e.tag.startswith(f"{{{SASL}}}"))
        except ConnectionResetError:
            return DROPPED
        if name(answer) != "success":
            return stanzas.sasl_refusal(answer)
        await self._post(f"to='{self.host}' xmpp:restart='true'")
        await self._send(f"<iq xmlns='{CLIENT}' type='set' id='b'><bind xmlns='{BIND}'/></iq>")
        bound = await self._expect(lambda e: e.get("id") == "b")
        self.jid = bound.findtext(f"{{{BIND}}}bind/{{{BIND}}}jid") or ""
        return None

    async def join(self, room_jid: str, nick: str = "me") -> Joined | Refusal:
        """Join a room."""
        await self._send(stanzas.join(room_jid, nick))
        return stanzas.join_result(await self._expect(stanzas.is_join_answer))

    async def close(self) -> None:
        """End the session."""
        if self._sid:
            with suppress(ConnectionResetError):
                await self._post("type='terminate'")

    async def _send(self, text: str) -> None:
        await self._post("", text)

    async def _expect(self, is_expected: Callable[[Element], bool]) -> Element:
        async with asyncio.timeout(SECONDS):
            while True:
                while self._received:
                    element = self._received.pop(0)
                    if is_expected(element):
                        return element
                await self._post("")

    async def _post(self, attributes: str, inner: str = "") -> None:
        sid = f" sid='{self._sid}'" if self._sid else ""
        head = f"<body xmlns='{HTTPBIND}' xmlns:xmpp='{XBOSH}' rid='{next(self._ids)}'{sid}"
        text = f"{head} {attributes}>{inner}</body>"
        async with self._http.post(self._url, data=text, headers=self._headers) as answer:
            body = stanzas.parse(await answer.text())
        self._sid = body.get("sid", self._sid)
        self._received += list(body)
        if body.get("type") == "terminate":
            raise ConnectionResetError(f"closed by Prosody: {body.get('condition')}")

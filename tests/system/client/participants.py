"""Participants: connections of lib-jitsi-meet in one page, and the events that they report."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import count
from typing import Any
from uuid import uuid4

from tests.support.browser import Tab
from tests.system.client.deployment import Layout
from tests.system.nginx.sites import mint

SECONDS = 60.0

_numbers = count(1)

Event = list[Any]
"""The name of an event and its arguments, as JSON values."""

ESTABLISHED = "connection.connectionEstablished"
FAILED = "connection.connectionFailed"
JOINED = "conference.joined"
JOIN_FAILED = "conference.failed"
MESSAGE = "conference.messageReceived"
USER_LEFT = "conference.userLeft"


class Participant:
    """One participant.

    Args:
        tab: The browser's tab with the page.
        name: The participant's name in the page.
    """

    def __init__(self, tab: Tab, name: str) -> None:
        self._tab = tab
        self._script = f"participants[{json.dumps(name)}]"

    async def log(self) -> list[Event]:
        """Return all events, in order."""
        events: list[Event] = await self._tab.evaluate(f"{self._script}.log")
        return events

    async def names(self) -> list[str]:
        """Return the names of all events, in order."""
        return [event[0] for event in await self.log()]

    async def wait_for(self, *names: str, count: int = 1) -> Event:
        """Wait until one of these events has been reported ``count`` times; return the last one."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            events = await self.log()
            found = [event for event in events if event[0] in names]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.05)
        raise TimeoutError(f"not within {SECONDS} s: {names} {count} times, but {events}")

    async def log_in(self) -> None:
        """Wait until the participant is logged in; fail if the login fails."""
        event = await self.wait_for(ESTABLISHED, FAILED)
        assert event[0] == ESTABLISHED, event

    async def refusal(self) -> Event:
        """Wait until the login has failed; return the error, its message and credentials."""
        event = await self.wait_for(ESTABLISHED, FAILED)
        assert event[0] == FAILED, event
        return event[1:]

    async def begin_to_join(self, room: str) -> None:
        """Start to join a room."""
        await self._do(f"join({json.dumps(room)})")

    async def try_to_join(self, room: str) -> Event:
        """Join a room; return the event that says how it ended."""
        before = sum(name in {JOINED, JOIN_FAILED} for name in await self.names())
        await self.begin_to_join(room)
        return await self.wait_for(JOINED, JOIN_FAILED, count=before + 1)

    async def join(self, room: str) -> None:
        """Join a room; fail if that is refused."""
        event = await self.try_to_join(room)
        assert event[0] == JOINED, event

    async def say(self, text: str) -> None:
        """Send a message to the room."""
        await self._do(f"send({json.dumps(text)})")

    async def hears(self, text: str) -> None:
        """Wait until a message with this text has arrived."""
        end = time.monotonic() + SECONDS
        while text not in (await self._messages()):
            assert time.monotonic() < end, (text, await self.log())
            await asyncio.sleep(0.05)

    async def _messages(self) -> list[str]:
        return [event[2] for event in await self.log() if event[0] == MESSAGE]

    async def cut(self) -> None:
        """Lose the websocket, as on a change of the network."""
        await self._do("cut()")

    async def refresh(self, token: str) -> None:
        """Connect again with a new token, as the web client does before a token ends."""
        await self._do(f"refresh({json.dumps(token)})")

    async def keep_alive(self) -> None:
        """Send the request by which the library keeps its server known to load balancers."""
        await self._tab.evaluate(f"{self._script}.keepAlive()")

    async def jid(self) -> str:
        """Return the full JID."""
        jid: str = await self._tab.evaluate(f"{self._script}.jid")
        return jid

    async def _do(self, call: str) -> None:
        await self._tab.evaluate(f"{self._script}.{call}, 0")


class Meeting:
    """A page of one layout, in which participants meet in a room that no other test uses.

    Args:
        tab: The browser's tab.
        layout: The layout.
        origin: The origin of the page.
    """

    def __init__(self, tab: Tab, layout: Layout, origin: str) -> None:
        self.tab = tab
        self.layout = layout
        self.origin = origin
        self.room = f"standup-{next(_numbers)}"

    async def open(self, target: str = "/static/client.html") -> None:
        """Open a page of the origin."""
        await self.tab.open(self.origin + target)

    async def text(self) -> str:
        """Return the text of the page."""
        text: str = await self.tab.evaluate("document.body.innerText")
        return text

    async def token_of_page(self) -> str:
        """Return the token in the fragment of the page's URL, where the web client looks first."""
        script = "JSON.parse(new URLSearchParams(location.hash.slice(1)).get('jwt'))"
        token: str = await self.tab.evaluate(script)
        return token

    async def wait_for_response(self, status: int) -> None:
        """Wait until the page has received an HTTP response with this status."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await self.tab.evaluate("0")  # reads the events that have arrived
            received = self.tab.events("Network.responseReceived")
            if status in [event["response"]["status"] for event in received]:
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"not within {SECONDS} s: a response {status}")

    async def hidden_responses(self) -> int:
        """Return how many responses lacked CORS headers, so that the page saw an error."""
        await self.tab.evaluate("0")  # reads the events that have arrived
        failures = self.tab.events("Network.loadingFailed")
        return sum("corsErrorStatus" in failure for failure in failures)

    async def connect(
        self,
        token: str | None = None,
        *,
        transport: str = "xmpp-websocket",
        origin: str = "",
        **options: Any,
    ) -> Participant:
        """Start to log in; ``options`` are options of the library's connection."""
        name = f"participant-{next(_numbers)}"
        base = origin or self.origin
        if transport == "xmpp-websocket":
            base = base.replace("http", "ws", 1)
        url = f"{base}/{transport}?room={self.room}"
        arguments = ", ".join(map(json.dumps, (self.layout.domain, url, token, options)))
        await self.tab.evaluate(
            f"participants[{json.dumps(name)}] = new Participant({arguments}), 0"
        )
        return Participant(self.tab, name)

    async def enter(self, token: str | None = None, **options: Any) -> Participant:
        """Log in and join; None stands for a good token of the room."""
        participant = await self.connect(token or self.token(), **options)
        await participant.log_in()
        await participant.join(self.room)
        return participant

    def token(self, **claims: Any) -> str:
        """Return a good token for the room; ``claims`` replace its own."""
        return mint(**{"room": self.room, "jti": str(uuid4()), **claims})

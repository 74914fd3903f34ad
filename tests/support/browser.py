"""A headless Chromium with a profile of its own, driven through its DevTools socket."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.processes import Program

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP meet.example.org 127.0.0.1",
    "--remote-debugging-port=0",
)
_SECONDS = 120.0  # the longest time for one call, or for one event


class Tab:
    """The browser's one tab.

    Args:
        socket: Its DevTools socket.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._events: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the DevTools protocol; return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(message)
        # A page can have events for ever, so the limit is for the whole call.
        async with asyncio.timeout(_SECONDS):
            while (answer := await self._receive()).get("id") != self._number:
                self._events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    async def open(self, url: str, *, referrer: str | None = None) -> None:
        """Open a URL as if it had been typed or followed from ``referrer``; wait until it loads."""
        self._events.clear()
        await self.call("Page.navigate", url=url, **({"referrer": referrer} if referrer else {}))
        await self._wait_for("Page.loadEventFired")

    async def reload(self) -> None:
        """Reload the page, and wait for its load event."""
        self._events.clear()
        await self.call("Page.reload")
        await self._wait_for("Page.loadEventFired")

    async def click_link(self, words: str) -> None:
        """Click the link whose text contains these words, and wait until the next page loads."""
        self._events.clear()
        link = f"[...document.links].find(link => link.textContent.includes({words!r}))"
        await self.evaluate(f"{link}.click()")
        await self._wait_for("Page.loadEventFired")

    async def evaluate(self, script: str) -> Any:
        """Return the value of a script's expression in the page."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def events(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of each event of one kind since the page was opened."""
        return [event["params"] for event in self._events if event.get("method") == method]

    async def pass_time(self, seconds: int) -> list[dict[str, Any]]:
        """Let seconds of virtual time pass, then stop the clock; return the requests sent."""
        self._events.clear()
        await self.call(
            "Emulation.setVirtualTimePolicy",
            policy="pauseIfNetworkFetchesPending",
            budget=1000 * seconds,
        )
        await self._wait_for("Emulation.virtualTimeBudgetExpired")
        return self.events("Network.requestWillBeSent")

    async def screenshot(self) -> bytes:
        """Return a picture of the window, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def set_appearance(
        self, *, width: int = 800, height: int = 500, scheme: str = "light"
    ) -> None:
        """Set the window's size and the preferred colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def _wait_for(self, method: str) -> None:
        # A page that sends requests by itself has other events for ever.
        async with asyncio.timeout(_SECONDS):
            while all(event.get("method") != method for event in self._events):
                self._events.append(await self._receive())

    async def _receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._socket.receive_json()
        return answer


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """Start Chromium with an empty profile in a folder, and stop it at the end of the block."""
    chromium = shutil.which("chromium")
    assert chromium, "the Debian package chromium is needed"
    profile = folder / "profile"
    command = [chromium, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    program = Program(command, folder / "chromium.log", environ)
    try:
        port_file = profile / "DevToolsActivePort"
        program.wait_until(lambda: len(port_file.read_text().splitlines()) > 1, "Chromium")
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            address = await _first_tab(session, port)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Network", "Runtime"):
                    await tab.call(f"{domain}.enable")
                yield tab
    finally:
        program.stop()


async def _first_tab(session: aiohttp.ClientSession, port: str) -> str:
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        tabs = await answer.json()
    address: str = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return address

"""The live page in a real Chromium, used as people use it: looking, pointing, pressing keys."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.browser import browser
from tests.support.page import Page
from tests.system.monitoring.panels import MAY_BE_ZERO
from tests.system.monitoring.traffic import Watched


class LivePage(Page):
    """The page, open in a tab, reading every second."""

    async def open(self) -> None:
        """Open it and let it read every second."""
        await self.tab.call("Log.enable")
        await self.tab.open(self.address)
        await self.wait_for("document.querySelectorAll('section').length > 0")
        await self.choose("1")

    async def choose(self, seconds: str) -> None:
        """Choose how often it reads."""
        await self.tab.evaluate(
            f"every.value = '{seconds}', every.dispatchEvent(new Event('change')), 0"
        )

    async def titles(self) -> list[str]:
        """Give the names of the panels and of the facts above them."""
        script = "[...document.querySelectorAll('h2, dt')].map(each => each.textContent)"
        found: list[str] = await self.tab.evaluate(script)
        return found

    async def values(self) -> dict[str, dict[str, str]]:
        """Give what is read in each panel: by title and by line, the value in words."""
        found: str = await self.tab.evaluate(
            """JSON.stringify(Object.fromEntries([...document.querySelectorAll('section')].map(
                section => [section.querySelector('h2').textContent, Object.fromEntries(
                    [...section.querySelectorAll('tr')].map(
                        row => [...row.cells].map(cell => cell.textContent)))])))"""
        )
        values: dict[str, dict[str, str]] = json.loads(found)
        return values

    async def fill(self, watched: Watched) -> dict[str, dict[str, str]]:
        """Send traffic of every kind until every panel has numbers; give what is read then."""
        async with asyncio.timeout(60):
            while True:
                await asyncio.to_thread(watched.ask)
                await asyncio.sleep(0.2)  # what key ids may be looked up is bounded
                values = await self.values()
                if all(title in MAY_BE_ZERO or any_number(values[title]) for title in values):
                    return values

    async def requests_in(self, seconds: int) -> list[str]:
        """Let time fly, then stand still; give the addresses that were asked for meanwhile."""
        self.tab._events.clear()
        await self.tab.call(
            "Emulation.setVirtualTimePolicy",
            policy="pauseIfNetworkFetchesPending",
            budget=1000 * seconds,
        )
        while not self.tab.events("Emulation.virtualTimeBudgetExpired"):
            self.tab._events.append(await self.tab._receive())
        sent = self.tab.events("Network.requestWillBeSent")
        return [request["request"]["url"] for request in sent]

    def complaints(self) -> list[Any]:
        """Give what the browser has complained about: scripts, policies, what could not be had."""
        return self.tab.events("Log.entryAdded") + self.tab.events("Runtime.exceptionThrown")


def any_number(lines: dict[str, str]) -> bool:
    """Tell whether a panel has a value that is there and not 0."""
    return any(re.search("[1-9]", value) for value in lines.values())


@asynccontextmanager
async def live_page(
    folder: Path, watched: Watched, *, width: int = 1200, height: int = 800, scheme: str = "light"
) -> AsyncIterator[LivePage]:
    """Open the page in a browser of its own until the end of the block."""
    async with browser(folder) as tab:
        await tab.set_appearance(width=width, height=height, scheme=scheme)
        page = LivePage(tab, f"http://127.0.0.1:{watched.verifier.admin}/dashboard")
        await page.open()
        yield page

"""The live dashboard in a real Chromium."""

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
from tests.system.monitoring.panels import ZERO_ALLOWED
from tests.system.monitoring.traffic import MonitoredVerifier


class LivePage(Page):
    """The page ``/dashboard`` in a tab; it reads the metrics every second."""

    async def open(self) -> None:
        """Open the page, and choose to read every second."""
        await self.tab.call("Log.enable")
        await self.tab.open(self.address)
        await self.wait_for("document.querySelectorAll('section').length > 0")
        await self.choose_interval("1")

    async def choose_interval(self, seconds: str) -> None:
        """Choose the interval at which the page reads, in seconds."""
        await self.tab.evaluate(
            f"every.value = '{seconds}', every.dispatchEvent(new Event('change')), 0"
        )

    async def titles(self, element: str) -> list[str]:
        """Return the headings of one level (``h2``, ``h3``), or the names of the tiles (``dt``)."""
        script = f"[...document.querySelectorAll('{element}')].map(each => each.firstChild.data)"
        titles: list[str] = await self.tab.evaluate(script)
        return titles

    async def tiles(self) -> dict[str, list[str]]:
        """Return the sign, the value and the note of each tile, by its name."""
        text = await self.evaluate_text(
            """JSON.stringify(Object.fromEntries(
                [...document.querySelectorAll('#headline > div')].map(tile => [
                    tile.querySelector('dt').firstChild.data,
                    ['.sign', '.value', '.note'].map(
                        part => tile.querySelector(part).textContent.trim())])))"""
        )
        tiles: dict[str, list[str]] = json.loads(text)
        return tiles

    async def values(self) -> dict[str, dict[str, str]]:
        """Return the text of each value, by the title of its panel and the name of its line."""
        text: str = await self.tab.evaluate(
            """JSON.stringify(Object.fromEntries([...document.querySelectorAll('section')].map(
                section => [section.querySelector('h3').textContent, Object.fromEntries(
                    [...section.querySelectorAll('tr')].map(
                        row => [...row.cells].map(cell => cell.textContent)))])))"""
        )
        values: dict[str, dict[str, str]] = json.loads(text)
        return values

    async def fill(self, monitored: MonitoredVerifier) -> dict[str, dict[str, str]]:
        """Send requests of every kind until every panel has numbers; return the values."""
        async with asyncio.timeout(120):
            while True:
                await asyncio.to_thread(monitored.send_requests)
                await asyncio.sleep(0.2)  # lookups of unknown key ids are limited
                values = await self.values()
                if all(title in ZERO_ALLOWED or has_number(values[title]) for title in values):
                    return values

    async def requests_in(self, seconds: int) -> list[str]:
        """Let seconds of virtual time pass, then stop the clock; return the requested URLs."""
        return [sent["request"]["url"] for sent in await self.tab.pass_time(seconds)]

    def browser_errors(self) -> list[Any]:
        """Return the errors of the browser: scripts, content policy, failed requests."""
        return self.tab.events("Log.entryAdded") + self.tab.events("Runtime.exceptionThrown")


def has_number(lines: dict[str, str]) -> bool:
    """Return whether a panel has a value other than 0."""
    return any(re.search("[1-9]", value) for value in lines.values())


@asynccontextmanager
async def live_page(
    folder: Path,
    monitored: MonitoredVerifier,
    *,
    width: int = 1200,
    height: int = 800,
    scheme: str = "light",
) -> AsyncIterator[LivePage]:
    """Open the page in a new browser inside the context."""
    async with browser(folder) as tab:
        await tab.set_appearance(width=width, height=height, scheme=scheme)
        page = LivePage(tab, f"http://127.0.0.1:{monitored.verifier.admin}/dashboard")
        await page.open()
        yield page

"""The inspector's page in a real Chromium: paste, type, and read as a user does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.browser import browser
from tests.support.page import Page
from tests.support.processes import RunningVerifier
from tests.support.tokens import SECRET, present, sign

CONFIG = f"""
app_id = "booking-site"
app_secret = "{SECRET}"
muc_mapper_domain_base = "meet.jitsi"
"""


def mint(secret: str = SECRET, **claims: Any) -> str:
    """Return a token that opens the room ``standup`` for three hours, with changed claims."""
    now = int(time.time())
    usual = {
        "iss": "booking-site",
        "aud": "jitsi",
        "sub": "meet.jitsi",
        "room": "standup",
        "iat": now - 600,
        "exp": now + 3 * 3600 + 30,
        "context": {
            "user": {"id": "u-1", "name": "Ada Lovelace", "email": "ada@example.org"},
            "features": {"recording": True, "livestreaming": "true", "transcription": False},
        },
    }
    return sign(present(usual | claims), key=secret)


class InspectorPage(Page):
    """The inspector, open in a tab."""

    async def open(self) -> None:
        """Open the page, and wait until the page is loaded."""
        await self.tab.open(self.address)
        await self.wait_for("document.readyState === 'complete'")

    async def fill(self, field: str, text: str) -> None:
        """Focus a field and insert a text, as pasting does."""
        await self.tab.evaluate(f"document.getElementById({field!r}).focus()")
        await self.tab.evaluate(f"document.getElementById({field!r}).select()")
        await self.tab.call("Input.insertText", text=text)

    async def inspect(self, pasted: str, room: str = "") -> str:
        """Paste, submit and wait; return the announcement."""
        await self.fill("pasted", pasted)
        await self.fill("room", room)
        await self.tab.evaluate("document.querySelector('button[type=submit]').click()")
        return await self.wait_for_announcement()

    async def wait_for_announcement(self) -> str:
        """Wait for the decision or the error message, and return its text."""
        await self.wait_for("verdict.innerText + problem.innerText")
        return await self.evaluate_text("verdict.innerText + problem.innerText")

    async def copied(self, button: str) -> str:
        """Press a button that copies; return what it has copied."""
        kinds = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await self.tab.call("Browser.grantPermissions", permissions=kinds)
        await self.tab.evaluate(
            f"copied.textContent = '', document.getElementById('{button}').click()"
        )
        await self.wait_for("copied.textContent === 'Copied.'")
        return await self.evaluate_text("navigator.clipboard.readText()")

    def requested_paths(self) -> list[str]:
        """Return the path of every request since the page was opened."""
        sent = self.tab.events("Network.requestWillBeSent")
        return [urlsplit(event["request"]["url"]).path for event in sent]

    async def visible_text(self) -> str:
        """Return all visible text."""
        return await self.evaluate_text("document.body.innerText")


@asynccontextmanager
async def inspector(
    folder: Path, verifier: RunningVerifier, *, width: int = 1000, scheme: str = "light"
) -> AsyncIterator[InspectorPage]:
    """Open the page in a separate browser until the end of the block."""
    async with browser(folder) as tab:
        await tab.set_appearance(width=width, height=900, scheme=scheme)
        page = InspectorPage(tab, f"http://127.0.0.1:{verifier.admin}/")
        await page.open()
        yield page

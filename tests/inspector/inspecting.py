"""The inspector's page in a real Chromium, used as people use it: pasting, typing, reading."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.browser import Tab, browser
from tests.processes import RunningVerifier
from tests.tokens import SECRET, present, sign

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
CONFIG = f"""
app_id = "booking-site"
app_secret = "{SECRET}"
muc_mapper_domain_base = "meet.jitsi"
"""
_KEYS = {"Tab": 9, "Enter": 13}
_CONTROL = 2


def mint(secret: str = SECRET, **claims: Any) -> str:
    """Sign a token that opens the room ``standup`` for three hours, with these claims instead."""
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


class Page:
    """The inspector, open in a tab.

    Args:
        tab: The tab.
        address: Where the page is.
    """

    def __init__(self, tab: Tab, address: str) -> None:
        self.tab = tab
        self.address = address

    async def open(self) -> None:
        """Open it, and wait until it knows whether it may ask."""
        await self.tab.open(self.address)
        await self.until("document.readyState === 'complete'")

    async def fill(self, field: str, text: str) -> None:
        """Put the caret into a field and insert a text, as pasting does."""
        await self.tab.run(f"document.getElementById({field!r}).focus()")
        await self.tab.run(f"document.getElementById({field!r}).select()")
        await self.tab.call("Input.insertText", text=text)

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key."""
        code = _KEYS[key]
        text = {"text": "\r"} if key == "Enter" else {}
        event = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        }
        await self.tab.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        await self.tab.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def control_enter(self) -> None:
        """Ask without leaving the text area."""
        await self.press("Enter", _CONTROL)

    async def inspect(self, pasted: str, room: str = "") -> str:
        """Paste, ask and wait; give what is announced."""
        await self.fill("pasted", pasted)
        await self.fill("room", room)
        await self.tab.run("document.querySelector('button[type=submit]').click()")
        return await self.heard()

    async def heard(self) -> str:
        """Wait for the verdict or the complaint; give its words."""
        await self.until("verdict.innerText + problem.innerText")
        return await self.text("verdict.innerText + problem.innerText")

    async def text(self, script: str) -> str:
        """Give a text in the page."""
        found: str = await self.tab.run(script)
        return found

    async def seen(self) -> str:
        """Give all that is to be read."""
        return await self.text("document.body.innerText")

    async def until(self, condition: str) -> None:
        """Wait until a script's expression is true."""
        await self.tab.run(
            f"""new Promise((resolve, reject) => {{
                const end = Date.now() + 20000;
                (function look() {{
                    if ({condition}) resolve();
                    else if (Date.now() > end) reject(new Error("in vain"));
                    else setTimeout(look, 10);
                }})();
            }})"""
        )

    async def barriers(self) -> list[str]:
        """Let axe-core look for what keeps people out, contrast included."""
        await self.tab.run(AXE.read_text("utf-8") + ";0")
        found = await self.tab.run("axe.run().then(found => JSON.stringify(found.violations))")
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in json.loads(found)
            for node in rule["nodes"]
        ]


@asynccontextmanager
async def inspector(
    folder: Path, verifier: RunningVerifier, *, width: int = 1000, scheme: str = "light"
) -> AsyncIterator[Page]:
    """Open the page in a browser of its own until the end of the block."""
    async with browser(folder) as tab:
        await tab.look(width=width, height=900, scheme=scheme)
        page = Page(tab, f"http://127.0.0.1:{verifier.admin}/")
        await page.open()
        yield page

"""A page of ours in a browser's tab: what is to be read in it, keys, and what keeps people out."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from tests.support.browser import Tab

_AXE = Path(__file__).parent / "axe/node_modules/axe-core/axe.min.js"
_KEYS = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36}


class Page:
    """A page, open in a tab.

    Args:
        tab: The tab.
        address: Where the page is.
    """

    def __init__(self, tab: Tab, address: str) -> None:
        self.tab = tab
        self.address = address

    async def text(self, script: str) -> str:
        """Give a text in the page."""
        found: str = await self.tab.run(script)
        return found

    async def until(self, condition: str) -> None:
        """Wait until a script's expression is true."""
        await self.tab.run(
            f"""new Promise((resolve, reject) => {{
                const end = performance.now() + 20000;
                (function look() {{
                    if ({condition}) resolve();
                    else if (performance.now() > end) reject(new Error("in vain"));
                    else setTimeout(look, 10);
                }})();
            }})"""
        )

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key."""
        event = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": _KEYS[key],
            "modifiers": modifiers,
        }
        text = {"text": "\r"} if key == "Enter" else {}
        await self.tab.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        await self.tab.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def barriers(self) -> list[str]:
        """Let axe-core look for what keeps people out, contrast included."""
        await self.tab.run(_AXE.read_text("utf-8") + ";0")
        found = await self.tab.run("axe.run().then(found => JSON.stringify(found.violations))")
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in json.loads(found)
            for node in rule["nodes"]
        ]

    async def spoken(self) -> list[tuple[str, str]]:
        """Give role and name of everything that a screen reader gets to know."""
        await self.tab.call("Accessibility.enable")
        nodes: list[dict[str, Any]] = (await self.tab.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in nodes
            if not node.get("ignored")
        ]


def png_size(picture: bytes) -> tuple[int, ...]:
    """Give a PNG picture's width and height."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack("!II", picture[16:24])

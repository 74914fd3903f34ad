"""One of the service's pages in a browser's tab: its text, key presses and accessibility."""

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
        address: The page's URL.
    """

    def __init__(self, tab: Tab, address: str) -> None:
        self.tab = tab
        self.address = address

    async def evaluate_text(self, script: str) -> str:
        """Return the value of a script's expression that is a string."""
        text: str = await self.tab.evaluate(script)
        return text

    async def wait_for(self, condition: str) -> None:
        """Wait until a script's expression is true; raise an error after 60 seconds."""
        await self.tab.evaluate(
            f"""new Promise((resolve, reject) => {{
                const end = performance.now() + 60000;
                (function check() {{
                    if ({condition}) resolve();
                    else if (performance.now() > end) reject(new Error("not within 60 s"));
                    else setTimeout(check, 10);
                }})();
            }})"""
        )

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key; ``modifiers`` is a bit field of the DevTools protocol."""
        event = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": _KEYS[key],
            "modifiers": modifiers,
        }
        text = {"text": "\r"} if key == "Enter" else {}
        await self.tab.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        await self.tab.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def accessibility_violations(self) -> list[str]:
        """Return what axe-core reports about the page, contrast included."""
        await self.tab.evaluate(_AXE.read_text("utf-8") + ";0")
        violations = await self.tab.evaluate(
            "axe.run().then(result => JSON.stringify(result.violations))"
        )
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in json.loads(violations)
            for node in rule["nodes"]
        ]

    async def accessibility_tree(self) -> list[tuple[str, str]]:
        """Return the role and the name of every node that a screen reader is given."""
        await self.tab.call("Accessibility.enable")
        nodes: list[dict[str, Any]] = (await self.tab.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in nodes
            if not node.get("ignored")
        ]


def png_size(picture: bytes) -> tuple[int, ...]:
    """Return the width and the height of a PNG picture, in pixels."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack("!II", picture[16:24])

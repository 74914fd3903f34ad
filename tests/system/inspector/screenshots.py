"""Takes the pictures: ``python -m tests.system.inspector.screenshots``."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.paths import CONTRIB, ROOT
from tests.support.processes import RunningVerifier, running_verifier
from tests.system.inspector.inspector_page import inspector, mint

FOLDER: Final = ROOT / "docs" / "screenshots"
DEMO: Final = CONTRIB / "demo.toml"
"""What ``make run`` serves."""

SECRET: Final[str] = tomllib.loads(DEMO.read_text("utf-8"))["app_secret"]

PICTURES: Final = {
    "inspector-denied-light.png": ("other", "light", "body", (1280, 690)),
    "inspector-allowed-dark.png": ("demo", "dark", "body", (1280, 640)),
    "inspector-phone-dark.png": ("other", "dark", "#card", (360, 760)),
}
"""By file: room, colour scheme, element at the top, and size; the token is for ``demo``."""

CODES: Final = ("codes-light.png", (1280, 560))
"""The picture of the denial codes, and its size."""


async def take(folder: Path, verifier: RunningVerifier) -> dict[str, bytes]:
    """Return all pictures; the verifier has the configuration ``DEMO``."""
    pictures = {}
    user = {"name": "Ada", "moderator": True}
    context = {"user": user, "features": {"recording": True, "livestreaming": False}}
    token = mint(SECRET, iss="demo", room="demo", context=context)
    async with inspector(folder, verifier) as page:
        for name, (room, scheme, top, (width, height)) in PICTURES.items():
            await page.tab.set_appearance(width=width, height=height, scheme=scheme)
            await page.inspect(f"http://127.0.0.1:8090/ext-authz/{room}?jwt={token}")
            await page.tab.evaluate("document.activeElement.blur(), pasted.scrollTop = 0")
            await page.tab.evaluate(f"document.querySelector('{top}').scrollIntoView()")
            pictures[name] = await page.tab.screenshot()
        name, (width, height) = CODES
        await page.tab.set_appearance(width=width, height=height)
        await page.tab.click_link("room-mismatch")
        await page.wait_for("document.getElementById('bar-keys').className === 'good'")
        pictures[name] = await page.tab.screenshot()
    return pictures


def main() -> None:
    """Take them, and keep them where the documents show them."""
    with TemporaryDirectory() as name, running_verifier(Path(name), DEMO) as verifier:
        for file, picture in asyncio.run(take(Path(name), verifier)).items():
            (FOLDER / file).write_bytes(picture)


if __name__ == "__main__":
    main()

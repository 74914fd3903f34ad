"""Take the pictures of the denial pages: ``python -m tests.system.nginx.screenshots``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.browser import Tab, browser
from tests.support.paths import ROOT
from tests.support.upstream import Upstream
from tests.system.nginx.sites import JITSI, Site, mint, start_site

FOLDER = ROOT / "docs" / "screenshots"
WIDTH, HEIGHT = 640, 400
PICTURES = {
    "denied-expired-light.png": ("en", "light", f"/standup?jwt={mint(exp=1_500_000_000)}"),
    "denied-other-room-dark.png": ("de", "dark", f"/standup?jwt={mint(room='other')}"),
    "denied-no-token-dark.png": ("fr", "dark", "/standup"),
}
"""By file: language, colour scheme and what is asked for."""


async def take(tab: Tab, site: Site) -> dict[str, bytes]:
    """Take every picture."""
    pictures = {}
    for name, (language, scheme, target) in PICTURES.items():
        await tab.set_appearance(width=WIDTH, height=HEIGHT, scheme=scheme)
        await tab.call("Network.setUserAgentOverride", userAgent="x", acceptLanguage=language)
        await tab.open(f"http://127.0.0.1:{site.nginx.port}{target}")
        pictures[name] = await tab.screenshot()
    return pictures


async def _retake(folder: Path, site: Site) -> None:
    async with browser(folder) as tab:
        pictures = await take(tab, site)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (FOLDER / name).write_bytes(picture)


def main() -> None:
    """Take them, and keep them where the documents show them."""
    with TemporaryDirectory() as name:
        upstream = Upstream()
        site = start_site(Path(name) / "site", JITSI, upstream, {})
        try:
            asyncio.run(_retake(Path(name), site))
        finally:
            site.stop()
            upstream.stop()


if __name__ == "__main__":
    main()

"""``python -m tests.system.nginx.screenshots`` takes the pictures of the denial pages."""

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
"""For each file: the language, the colour scheme and the target."""


async def take(tab: Tab, site: Site) -> dict[str, bytes]:
    """Take every picture; return them by file name."""
    pictures = {}
    for name, (language, scheme, target) in PICTURES.items():
        await tab.set_appearance(width=WIDTH, height=HEIGHT, scheme=scheme)
        await tab.call("Network.setUserAgentOverride", userAgent="x", acceptLanguage=language)
        await tab.open(f"http://127.0.0.1:{site.nginx.port}{target}")
        pictures[name] = await tab.screenshot()
    return pictures


async def _write(folder: Path, site: Site) -> None:
    async with browser(folder) as tab:
        pictures = await take(tab, site)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (FOLDER / name).write_bytes(picture)


def main() -> None:
    """Take the pictures and write them to the folder of the documents."""
    with TemporaryDirectory() as name:
        upstream = Upstream()
        site = start_site(Path(name) / "site", JITSI, upstream, {})
        try:
            asyncio.run(_write(Path(name), site))
        finally:
            site.stop()
            upstream.stop()


if __name__ == "__main__":
    main()

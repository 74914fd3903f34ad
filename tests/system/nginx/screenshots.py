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
WRONG_SIGNATURE = ".".join([*mint().split(".")[:2], mint(jti="other").split(".")[2]])
EXPIRED = f"/weekly?jwt={mint(room='weekly', exp=1_500_000_000)}"
UNCONFIRMED = f"/standup?jwt={WRONG_SIGNATURE}"
PICTURES = {
    "denied-expired-light.png": ("en", "light", (640, 440), EXPIRED),
    "denied-other-room-dark.png": ("de", "dark", (640, 480), f"/standup?jwt={mint(room='other')}"),
    "denied-no-token-dark.png": ("fr", "dark", (360, 450), "/standup"),
    "denied-unconfirmed-phone-light.png": ("en", "light", (360, 500), UNCONFIRMED),
}
"""For each file: the language, the colour scheme, the size and the target."""


async def take(tab: Tab, site: Site) -> dict[str, bytes]:
    """Take every picture; return them by file name."""
    pictures = {}
    for name, (language, scheme, (width, height), target) in PICTURES.items():
        await tab.set_appearance(width=width, height=height, scheme=scheme)
        await tab.call("Network.setUserAgentOverride", userAgent="x", acceptLanguage=language)
        await tab.open(f"http://meet.example.org:{site.nginx.port}{target}")
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

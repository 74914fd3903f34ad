"""The denial pages in Chromium: signs, frames, the keyboard, and further attempts after a 503."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Tab, browser
from tests.support.denial_pages import BUILD, CODES, TEXTS
from tests.support.page import Page
from tests.support.paths import CONTRIB
from tests.system.nginx.sites import JITSI, Site, StartSite, mint

ATTEMPTS = 6
OPENED = '"room": "standup"'
"""A part of the page of the opened room."""
ROOM = "acme/weekly-planning-of-the-northern-branch-office-and-its-friends"
RETRYING = "document.getElementById('retrying').textContent"


def page_file(
    folder: Path, code: str, *, language: str = "en", retry: str = "", **options: Any
) -> str:
    """Write a page as nginx would send it for a code; return its URL."""
    text = BUILD["pages"](**options)[Path(f"nginx/pages/{language}.html")]
    values = {
        "jitsi_verifier_code": code,
        "request_id": "0123456789abcdef0123456789abcdef",
        "host": "meet.example.org",
        "jitsi_verifier_address": ROOM,
        "jitsi_verifier_retry": retry,
    }
    for name, value in values.items():
        text = re.sub(f'<!--# echo var="{name}".*?-->', value, text)
    assert "<!--#" not in text
    file = folder / f"{code}.html"
    file.write_text(text, "utf-8")
    return file.as_uri()


LINKS = {"contact": "mailto:help@example.org", "sign_in": "https://login.example.org/"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_phone(tmp_path: Path, scheme: str) -> None:
    async with browser(tmp_path) as tab:
        await tab.set_appearance(width=360, height=640, scheme=scheme)
        for members in CODES.values():
            page = Page(tab, page_file(tmp_path, (members or ["of-the-future"])[0], **LINKS))
            await tab.open(page.address)
            assert await page.accessibility_violations() == []
            assert await tab.evaluate("document.documentElement.scrollWidth") == 360


async def test_page_follows_the_direction_of_its_language(tmp_path: Path) -> None:
    texts = (CONTRIB / "pages/texts.toml").read_text("utf-8")
    file = tmp_path / "texts.toml"
    file.write_text(texts.replace("[en]\n", '[en]\ndirection = "rtl"\n'), "utf-8")
    async with browser(tmp_path) as tab:
        await tab.set_appearance(width=360)
        await tab.open(page_file(tmp_path, "token-expired", texts_file=file))
        icon = "document.querySelector('.expired svg').getBoundingClientRect().left"
        assert await tab.evaluate(icon) > 180
        assert await tab.evaluate("document.documentElement.scrollWidth") == 360


async def test_links_can_be_reached_by_keyboard(tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        for code, link in (("token-missing", "Sign in"), ("overloaded", "Try again")):
            page = Page(tab, page_file(tmp_path, code, **LINKS))
            await tab.open(page.address)
            for name in (link, "help@example.org"):
                await page.press("Tab")
                focused = "document.activeElement.textContent"
                assert await page.evaluate_text(focused) == name
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                assert await page.evaluate_text(outline) == "solid"


async def test_page_without_links_of_the_operator_has_none(tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.open(page_file(tmp_path, "token-missing"))
        visible = "[...document.links].filter(link => link.getClientRects().length).length"
        assert await tab.evaluate(visible) == 0


async def test_page_works_in_a_small_frame(jitsi_site: Site, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{jitsi_site.nginx.port}/static/close.html")
        page = Page(tab, "")
        await tab.evaluate(
            "window.frame = document.createElement('iframe'), frame.width = 300,"
            "frame.height = 240, frame.src = '/standup', document.body.append(frame), 0"
        )
        document = "frame.contentDocument"
        await page.wait_for(f"{document}?.querySelector('main')?.innerText.includes('standup')")
        assert await tab.evaluate(f"{document}.documentElement.scrollWidth") <= 300


async def seconds_until_retry(tab: Tab) -> int:
    """Return the seconds that the page shows."""
    text = await Page(tab, "").evaluate_text(RETRYING)
    before, after = map(re.escape, TEXTS["en"]["waiting"].split("{seconds}"))
    found = re.fullmatch(rf"{before}(\d+){after}", text)
    assert found, text
    return int(found[1])


@pytest.mark.parametrize(
    ("retry", "random", "expected"),
    [("", "0", 5), ("", "0.99", 10), ("30", "0", 30), ("-", "0", 5)],
)
async def test_first_wait_follows_retry_after_and_is_random(
    tmp_path: Path, retry: str, random: str, expected: int
) -> None:
    async with browser(tmp_path) as tab:
        script = f"Math.random = () => {random}"
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await tab.open(page_file(tmp_path, "keys-unavailable", retry=retry))
        assert await seconds_until_retry(tab) == expected


async def test_only_pages_for_an_unavailable_service_retry(tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        for code in ("token-expired", "signature-invalid", "server-misconfigured"):
            await tab.open(page_file(tmp_path, code, retry="1"))
            assert await Page(tab, "").evaluate_text(RETRYING) == ""


async def loads_in(tab: Tab, seconds: int) -> int:
    """Let seconds of virtual time pass; return how many pages the browser loaded."""
    return [sent["type"] for sent in await tab.pass_time(seconds)].count("Document")


async def test_page_tries_again_then_gives_up_visibly(sites: StartSite, tmp_path: Path) -> None:
    site = sites(JITSI, name="page that tries again")
    site.sidecar.stop()
    async with browser(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{site.nginx.port}/standup?jwt={mint()}#config.x=1")
        assert await seconds_until_retry(tab) >= 5
        # A slow browser has made the first attempt before the virtual time begins.
        assert ATTEMPTS - 1 <= await loads_in(tab, 20 * 60) <= ATTEMPTS
        assert await tab.evaluate("history.state.jitsiVerifier.tries") == ATTEMPTS
        assert await tab.evaluate(RETRYING) == TEXTS["en"]["gave_up"]
        site.sidecar.start()
        await tab.evaluate("document.getElementById('again').click()")
        await tab.pass_time(5)
        assert OPENED in await Page(tab, "").evaluate_text("document.body.innerText")
        assert await tab.evaluate("location.hash") == "#config.x=1"


async def test_page_opens_the_room_when_the_service_is_back(
    sites: StartSite, tmp_path: Path
) -> None:
    site = sites(JITSI, name="page that tries again")
    site.sidecar.stop()
    async with browser(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{site.nginx.port}/standup?jwt={mint()}")
        site.sidecar.start()
        await tab.pass_time(120)
        assert OPENED in await Page(tab, "").evaluate_text("document.body.innerText")


async def test_try_again_works_without_scripts(sites: StartSite, tmp_path: Path) -> None:
    site = sites(JITSI, name="page that tries again")
    site.sidecar.stop()
    async with browser(tmp_path) as tab:
        await tab.call("Emulation.setScriptExecutionDisabled", value=True)
        await tab.open(f"http://127.0.0.1:{site.nginx.port}/standup?jwt={mint()}")
        assert await tab.evaluate(RETRYING) == ""
        site.sidecar.start()
        await tab.click_link("Try again")
        assert OPENED in await Page(tab, "").evaluate_text("document.body.innerText")

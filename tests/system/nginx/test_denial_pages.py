"""The denial pages: their HTML by language and code, and what Chromium shows of them."""

from __future__ import annotations

import re
import runpy
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.browser import Tab, browser
from tests.support.denial_pages import CODES, LANGUAGES, SELECTED_LANGUAGES, TEXTS, accept
from tests.support.page import png_size
from tests.support.paths import CONTRIB
from tests.system.nginx import screenshots
from tests.system.nginx.sites import JITSI, Site, StartSite, mint
from verifier.rules.model import DenialCode

EXPIRED = f"/standup?jwt={mint(exp=1_500_000_000)}"
OTHER_ROOM = f"/standup?jwt={mint(room='other')}"
DENIALS = [
    ("/standup", "invitation"),
    (EXPIRED, "expired"),
    (f"/standup?jwt={mint(nbf=4_000_000_000)}", "early"),
    ("/standup?jwt=x", "damaged"),
    (f"/standup?jwt={mint(iss='another-site')}", "foreign"),
    (f"/a/b/c?jwt={mint()}", "address"),
    (OTHER_ROOM, "room"),
]


def luminance(color: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_pages_are_built_from_their_texts() -> None:
    for path, page in runpy.run_path(str(CONTRIB / "pages/build.py"))["pages"]().items():
        assert (CONTRIB / path).read_text("utf-8") == page, "python3 contrib/pages/build.py"


def test_every_denial_code_has_a_text() -> None:
    named = [code for members in CODES.values() for code in members]
    assert len(named) == len(set(named))
    unnamed = {code for code in DenialCode if not any(fnmatchcase(code, name) for name in named)}
    assert unnamed == {"server-misconfigured"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    words = TEXTS[language]
    assert list(words["groups"]) == list(CODES)
    assert {len(texts) for texts in words["groups"].values()} == {2}
    assert set(words) == {"title", "support", "code", "request", "groups"}


@pytest.mark.parametrize(
    ("languages", "expected"), [*SELECTED_LANGUAGES, (", , " * 2000 + "!", "en")]
)
def test_first_accepted_language_with_a_page_is_used(
    jitsi_site: Site, languages: str, expected: str
) -> None:
    answer = jitsi_site.get("/standup", accept(languages))
    assert answer.denial == (401, "token-missing")
    assert answer.headers["Content-Language"] == expected
    assert "Accept-Language" in answer.headers["Vary"]
    assert f'<html lang="{expected}">' in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_loads_no_other_resource(jitsi_site: Site, language: str) -> None:
    answer = jitsi_site.get("/standup", accept(language))
    assert not re.search(r"src=|href=|url\(|@import|<script|<link|//", answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_page_contains_nothing_from_the_request(jitsi_site: Site) -> None:
    forged = ("X-Jitsi-Denial", "<b>forged"), ("X-Request-Id", "<b>forged")
    text = jitsi_site.get("/standup?jwt=<b>forged", *forged, accept("<b>forged")).text
    assert "forged" not in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_page_explains_the_denial(jitsi_site: Site, tmp_path: Path, language: str) -> None:
    async with browser(tmp_path) as tab:
        await tab.call("Network.setUserAgentOverride", userAgent="x", acceptLanguage=language)
        for target, group in DENIALS:
            await tab.open(f"http://127.0.0.1:{jitsi_site.nginx.port}{target}")
            await check_words(tab, language, group)


async def check_words(tab: Tab, language: str, group: str) -> None:
    """Check that the tab shows the heading, the explanation and, below them, the denial code."""
    words = TEXTS[language]
    heading, explanation, *support = [line for line in (await text_of(tab)).split("\n") if line]
    assert [heading, explanation] == words["groups"][group]
    assert re.fullmatch(
        rf"{words['support']} {words['code']} ([a-z-]+), {words['request']} [0-9a-f]{{32}}",
        support[0],
    )
    code = await tab.evaluate("document.getElementById('code').textContent")
    assert code in CODES[group]
    assert await tab.evaluate("document.documentElement.lang") == language
    assert await tab.evaluate("document.title") == words["title"]


async def text_of(tab: Tab) -> str:
    text: str = await tab.evaluate("document.body.innerText")
    return text


async def test_page_for_unavailable_service_does_not_blame_the_reader(
    sites: StartSite, tmp_path: Path
) -> None:
    site = sites(JITSI, name="page while the service is down")
    site.sidecar.stop()
    async with browser(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{site.nginx.port}/standup")
        assert "Invitations cannot be checked now" in await text_of(tab)


async def test_unknown_code_gets_a_general_text(tmp_path: Path) -> None:
    page = runpy.run_path(str(CONTRIB / "pages/build.py"))["pages"]()[Path("nginx/pages/en.html")]
    async with browser(tmp_path) as tab:
        for code, group in (("of-the-future", "other"), ("policy-lifetime", "foreign")):
            file = tmp_path / f"{code}.html"
            file.write_text(re.sub("<!--#.*?-->", code, page))
            await tab.open(file.as_uri())
            heading, explanation = TEXTS["en"]["groups"][group]
            assert (await text_of(tab)).startswith(f"{heading}\n\n{explanation}\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_has_contrast_in_light_and_dark(
    jitsi_site: Site, tmp_path: Path, scheme: str
) -> None:
    async with browser(tmp_path) as tab:
        await tab.set_appearance(scheme=scheme)
        await tab.open(f"http://127.0.0.1:{jitsi_site.nginx.port}/standup")
        script = "getComputedStyle(document.querySelector('{}')).{}"
        background = await tab.evaluate(script.format("body", "backgroundColor"))
        assert (luminance(background) < 0.1) is (scheme == "dark")
        for element in ("h1", "p", "footer", "#code"):
            text_color = await tab.evaluate(script.format(element, "color"))
            assert contrast(background, text_color) >= 7, (element, text_color)


async def test_page_fits_a_small_phone(jitsi_site: Site, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.set_appearance(width=360, height=640)
        for target, _ in DENIALS:
            await tab.open(f"http://127.0.0.1:{jitsi_site.nginx.port}{target}")
            assert await tab.evaluate("document.documentElement.scrollWidth") <= 360


async def test_pictures_in_the_documents_can_be_taken_again(
    jitsi_site: Site, tmp_path: Path
) -> None:
    async with browser(tmp_path) as tab:
        pictures = await screenshots.take(tab, jitsi_site)
    stored = {file.name: file.read_bytes() for file in screenshots.FOLDER.glob("denied-*.png")}
    assert stored.keys() == pictures.keys()
    for name, picture in pictures.items():
        assert (
            png_size(picture) == png_size(stored[name]) == (screenshots.WIDTH, screenshots.HEIGHT)
        )
        assert len(stored[name]) < 50_000

"""The denial pages: their HTML by language and code, and what Chromium shows of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support import raw_http
from tests.support.browser import Tab, browser
from tests.support.denial_pages import (
    BUILD,
    CODES,
    LANGUAGES,
    POLICY,
    SELECTED_LANGUAGES,
    SHOWN_DECODED_ROOMS,
    SHOWN_ROOMS,
    TEXTS,
    accept,
    shown_address,
)
from tests.support.documents import blocks
from tests.support.page import png_size
from tests.support.paths import CONTRIB, ROOT
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
    (screenshots.UNCONFIRMED, "unconfirmed"),
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
    for path, page in BUILD["pages"]().items():
        assert (CONTRIB / path).read_text("utf-8") == page, "python3 contrib/pages/build.py"


def test_every_denial_code_has_a_text() -> None:
    named = [code for members in CODES.values() for code in members]
    assert len(named) == len(set(named))
    unnamed = {code for code in DenialCode if not any(fnmatchcase(code, name) for name in named)}
    assert unnamed == set()


def test_every_group_has_a_sign_of_its_own() -> None:
    icons = tomllib.loads((CONTRIB / "pages/icons.toml").read_text("utf-8"))
    assert list(icons) == list(CODES)
    assert len({icon["path"] for icon in icons.values()}) == len(CODES)


@pytest.mark.parametrize("code", ["signature-invalid", "key-unknown"])
def test_link_that_a_wrong_secret_denies_is_not_called_damaged(code: str) -> None:
    assert code in CODES["unconfirmed"]
    assert code not in CODES["damaged"] + CODES["foreign"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    words = TEXTS[language]
    assert list(words["groups"]) == list(CODES)
    assert {len(texts) for texts in words["groups"].values()} == {2}
    assert set(words) == set(TEXTS["en"])
    assert "{seconds}" in words["waiting"]


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
    assert f'<html lang="{expected}" dir="ltr">' in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_loads_no_other_resource(jitsi_site: Site, language: str) -> None:
    answer = jitsi_site.get("/standup", accept(language))
    loads = r"src=|url\(|@import|<link|//|<script(?!>)|(?<=href=).*?(?=>)"
    assert re.findall(loads, answer.text) == ['""']  # "Try again"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Frame-Options"] is None
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(("target", "room"), [*SHOWN_ROOMS, *SHOWN_DECODED_ROOMS])
def test_page_shows_the_requested_host_and_room(
    jitsi_site: Site, target: str, room: str | None
) -> None:
    host, shown = shown_address(jitsi_site.get(target).text)
    assert host == "meet.example.org"
    assert shown == room if room is not None else "eyJ" not in shown


def test_page_contains_nothing_else_from_the_request(jitsi_site: Site) -> None:
    forged = [(name, "<b>forged") for name in ("X-Jitsi-Denial", "X-Request-Id", "Retry-After")]
    text = jitsi_site.get("/standup?jwt=<b>forged", *forged, accept("<b>forged")).text
    assert "forged" not in text


@pytest.mark.parametrize("host", ["<b>", 'x"y', "&lt;b>"])
def test_page_escapes_the_host(jitsi_site: Site, host: str) -> None:
    text = raw_http.send(jitsi_site.nginx.port, "/standup", host=host).text
    assert "<b>" not in text
    assert 'x"y' not in text


LINKS = (
    "--contact",
    "mailto:help%2Bit@example.org?subject=a&body=b",
    "--sign-in",
    "https://login.example.org/?a=%20",
)


def built(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        CONTRIB / "pages/build.py",
        "--into",
        folder,
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_documented_command_adds_pages_that_outlast_an_update(sites: StartSite) -> None:
    site = sites(JITSI, name="page with the operator's contact")
    (command,) = blocks((CONTRIB / "pages/README.md").read_text("utf-8"), "sh")
    own = site.nginx.substitutions["/etc/nginx/jitsi-verifier"] + "-pages"
    command = command.replace("/etc/nginx/jitsi-verifier-pages", own)
    try:
        subprocess.run(["sh", "-ec", command], check=True, cwd=ROOT)
        shutil.copytree(CONTRIB / "nginx/pages", f"{own[:-6]}/pages", dirs_exist_ok=True)
        for language in LANGUAGES:
            answer = site.get(OTHER_ROOM, accept(language))
            assert answer.denial == (403, "room-mismatch")
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert shown_address(answer.text) == ("meet.example.org", "standup")
            assert 'href="mailto:help@example.org"' in answer.text
            login = f'"https://login.example.org/" target="_top">{TEXTS[language]["sign_in"]}<'
            assert login in answer.text
    finally:
        shutil.rmtree(own)
    shipped = site.get("/standup", accept("de"))
    assert shipped.denial == (401, "token-missing")
    assert "mailto:" not in shipped.text


@pytest.mark.parametrize(("proxy", "percent"), [("nginx", "%"), ("caddy", "%"), ("envoy", "%%")])
def test_built_pages_have_the_links_of_the_operator(
    tmp_path: Path, proxy: str, percent: str
) -> None:
    assert built(tmp_path / "pages", "--proxy", proxy, *LINKS).returncode == 0
    assert {file.stem for file in (tmp_path / "pages").iterdir()} == set(LANGUAGES)
    page = (tmp_path / "pages/en.html").read_text("utf-8").replace(percent, "%")
    assert re.findall(r'href="(.+?)".*?>(.+?)</a>', page) == [
        ("https://login.example.org/?a=%20", "Sign in"),
        ("mailto:help%2Bit@example.org?subject=a&amp;body=b", "help%2Bit@example.org"),
    ]


@pytest.mark.parametrize(
    ("option", "link"),
    [
        ("--contact", "javascript:alert(1)"),
        ("--contact", "http://example.org/"),
        ("--contact", 'mailto:a@b"onclick="x'),
        ("--contact", "mailto:{{x}}@example.org"),
        ("--contact", "help@example.org"),
        ("--sign-in", "mailto:help@example.org"),
        ("--sign-in", "https://user:password@example.org/"),
    ],
)
def test_other_links_are_refused(tmp_path: Path, option: str, link: str) -> None:
    done = built(tmp_path / "pages", "--proxy", "nginx", option, link)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert f"{option[2:].replace('-', '_')}: expected a link that begins with" in done.stderr
    assert f"found {link!r}" in done.stderr


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
    heading, explanation, *address, support = filter(None, (await text_of(tab)).split("\n"))
    assert [heading, explanation] == words["groups"][group]
    assert address[-2:] == [words["server"], "127.0.0.1"]
    assert address[-4:-2] in ([words["room"], "standup"], [words["room"], "a/b/c"])
    signs = "[...document.querySelectorAll('section svg')].filter(e => e.getClientRects().length)"
    assert await tab.evaluate(f"{signs}.map(sign => sign.parentElement.className)") == [group]
    assert re.fullmatch(
        rf"{words['support']} {words['code']} ([a-z-]+), {words['request']} [0-9a-f]{{32}}",
        support,
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
    page = BUILD["pages"]()[Path("nginx/pages/en.html")]
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
        background = await tab.evaluate(script.format("main", "backgroundColor"))
        assert (luminance(background) < 0.1) is (scheme == "dark")
        for element in ("h1", "p", "dt", "footer", "#code"):
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
        assert png_size(picture) == png_size(stored[name]) == screenshots.PICTURES[name][2]
        assert len(stored[name]) < 50_000

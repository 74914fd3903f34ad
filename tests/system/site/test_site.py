"""The documentation as a site: it builds, its links work, and it needs no other host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.browser import Tab, browser
from tests.support.documents import DOCUMENTS
from tests.support.paths import ROOT
from verifier.config.options import OPTIONS
from verifier.rules.model import DenialCode

WIDE: Final = ("README", "docs/http-api", "docs/configuration", "docs/architecture")
"""Pages with wide tables and blocks."""

FIRST_RESULTS: Final = """new Promise(resolve => {
    const look = () => {
        const found = document.querySelectorAll("#search-results li a");
        if (found.length) resolve([...found].map(link => link.textContent));
        else setTimeout(look, 20);
    };
    look();
})"""
"""Waits for the results of the search, and returns their titles."""


class Link(NamedTuple):
    """A reference in a page: the element that has it, and where it leads."""

    element: str
    target: str


class Page(HTMLParser):
    """A page's anchors, and what it refers to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[Link] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update({given["id"]} if "id" in given else set())
        self.links += [Link(tag, given[name]) for name in ("href", "src") if name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    make(folder)
    return folder


def make(folder: Path) -> None:
    """Build the site."""
    subprocess.run(
        ["make", "--silent", "-C", ROOT, "site", f"SITE={folder}"],
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in sorted(site.rglob("*.html"))}


def test_every_document_is_a_page(site: Path) -> None:
    names = [document.relative_to(ROOT).with_suffix(".html") for document in DOCUMENTS]
    assert [str(name) for name in names if not (site / name).is_file()] == []


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    """Yield each link to a file or an anchor that does not exist."""
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link.target)
            if parts.scheme in {"http", "https", "data", "mailto"}:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            known = not anchor or target not in pages or anchor in pages[target].anchors
            if not target.is_file() or not known:
                yield f"{file.name}: {link.target}"


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert sum(len(page.links) for page in pages.values()) > 1_000
    assert list(broken(pages)) == []


def test_pages_load_nothing_from_other_hosts(site: Path, pages: dict[Path, Page]) -> None:
    loaded = {
        link.target
        for page in pages.values()
        for link in page.links
        if link.element != "a" and urlsplit(link.target).netloc
    }
    assert loaded == set()
    styles = "".join(file.read_text("utf-8") for file in site.rglob("*.css"))
    assert "@import" not in styles
    assert "url(http" not in styles
    assert "url(//" not in styles


def test_anchors_are_the_names_of_codes_and_options(site: Path, pages: dict[Path, Page]) -> None:
    codes = pages[site / "docs/denial-codes.html"].anchors
    assert set(DenialCode) <= codes
    options = {option.name.replace(".", "") for option in OPTIONS}
    assert options <= pages[site / "docs/configuration.html"].anchors


def test_start_page_leads_to_every_deployment(site: Path, pages: dict[Path, Page]) -> None:
    targets = {link.target for link in pages[site / "index.html"].links}
    for page in ("debian-nginx", "docker-jitsi-meet", "kubernetes", "other-proxies", "prosody"):
        assert f"docs/{page}.html" in targets


async def test_pages_are_not_wider_than_the_window(site: Path, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        for width, scheme, name in product((1280, 390), ("light", "dark"), WIDE):
            await tab.set_appearance(width=width, height=900, scheme=scheme)
            await tab.open(f"file://{site}/{name}.html")
            assert await tab.evaluate("document.querySelectorAll('article h1').length") == 1
            assert await measured_width(tab) == width, (name, scheme)


async def measured_width(tab: Tab) -> int:
    value = await tab.evaluate("document.documentElement.scrollWidth")
    assert isinstance(value, int)
    return value


async def test_search_finds_a_page(site: Path, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.open(f"file://{site}/search.html?q=revocation_store")
        assert "Configuration" in await tab.evaluate(FIRST_RESULTS)

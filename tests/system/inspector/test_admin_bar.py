"""The bar of the admin pages, and the page of the denial codes, in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.page import Page
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until
from tests.system.inspector.inspector_page import InspectorPage, inspector
from verifier.rules.model import DenialCode
from verifier.version import VERSION

MODE, KEYS = "bar-mode", "bar-keys"


async def state(page: Page, badge: str, words: str) -> str:
    """Wait until a badge has these words; return its class."""
    await page.wait_for(f"document.getElementById({badge!r}).textContent === {words!r}")
    return await page.evaluate_text(f"document.getElementById({badge!r}).className")


async def test_every_page_has_the_same_bar(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier) as page:
        bars = set()
        for words in ("Inspector", "Dashboard", "Codes"):
            await page.tab.click_link(words)
            assert await state(page, MODE, "enforce") == ""
            assert await state(page, KEYS, "keys: ready") == "good"
            current = "document.querySelector('.bar [aria-current=page]').textContent"
            assert await page.evaluate_text(current) == words
            bars.add(await page.evaluate_text("document.querySelector('.bar').innerText"))
        (bar,) = bars
        assert VERSION in bar
        assert page.tab.events("Runtime.exceptionThrown") == []


async def test_report_only_and_missing_keys_are_highlighted(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(
        'app_id = "app"\ncache_keys_url = "http://127.0.0.1:9/keys"\nmode = "report-only"\n'
    )
    with running_verifier(tmp_path, config, wait=False) as verifier:
        verifier.wait_for_log("serving")

        def failing() -> bool:
            (source,) = get(verifier.admin, "/readyz").json["sources"]
            return bool(source["state"] == "failing")

        wait_until(failing, "a failed fetch of the keys")
        async with inspector(tmp_path, verifier, width=360) as page:
            assert await state(page, MODE, "report-only") == "warn"
            assert await state(page, KEYS, "keys: unavailable") == "bad"
            hint = await page.evaluate_text(f"document.getElementById({KEYS!r}).title")
            assert hint.startswith("the key set: ")
            heard = await page.inspect("", "standup")
            assert "The request passes: this verifier is in report-only mode." in heard
            assert heard.endswith("Would be denied: token-missing")
            assert "report-only" in await page.copied("copy")
            assert await page.accessibility_violations() == []
            assert await page.tab.evaluate("document.documentElement.scrollWidth") == 360
            await page.tab.call("Network.setBlockedURLs", urls=["*/readyz"])
            await page.tab.reload()
            assert await state(page, KEYS, "verifier: no answer") == "bad"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_codes_have_no_barriers_and_fit_the_width(
    verifier: RunningVerifier, tmp_path: Path, scheme: str
) -> None:
    async with inspector(tmp_path, verifier, scheme=scheme) as page:
        await page.tab.click_link("Codes")
        for width in (360, 1280):
            await page.tab.set_appearance(width=width, height=900, scheme=scheme)
            assert await page.accessibility_violations() == []
            assert await page.tab.evaluate("document.documentElement.scrollWidth") == width


async def test_every_code_has_an_anchor_and_a_link_in_the_index(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        codes = InspectorPage(page.tab, f"{page.address}codes#keys-unavailable")
        await codes.open()
        targets = await page.tab.evaluate(
            "[...document.querySelectorAll('.index a')].map("
            "link => document.querySelector(link.hash).querySelector('h2').innerText)"
        )
        assert [text.split()[0] for text in targets] == list(DenialCode)
        shown = await page.evaluate_text("document.querySelector(':target').innerText")
        assert re.match(r"keys-unavailable\s+HTTP 503\s", shown)
        for words in ("What to check", "What to do", "Prosody answers"):
            assert words in shown

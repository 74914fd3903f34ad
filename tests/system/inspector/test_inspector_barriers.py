"""The page is accessible: axe-core finds no barrier, keyboard and screen reader are enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.page import Page
from tests.support.processes import RunningVerifier
from tests.system.inspector.inspector_page import inspector, mint

LONG = "namewithoutabreak" * 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_no_barriers_and_no_horizontal_scrolling(
    verifier: RunningVerifier, tmp_path: Path, width: int, scheme: str
) -> None:
    long = mint(room=LONG, context={"user": {"name": LONG}, "features": {LONG: True}})
    async with inspector(tmp_path, verifier, width=width, scheme=scheme) as page:
        assert await page.accessibility_violations() == []
        for pasted in (
            mint(),
            f"https://m/retro?jwt={mint()}",
            f"https://m/x?jwt={long}",
            "a.b",
            "",
        ):
            await page.inspect(pasted)
            await page.tab.evaluate(
                "for (const group of document.querySelectorAll('details')) group.open = true"
            )
            assert await page.accessibility_violations() == []
            assert await page.tab.evaluate("document.documentElement.scrollWidth") == width
        await page.tab.evaluate(
            "for (const e of document.querySelectorAll('[hidden]')) e.hidden = false"
        )
        assert await page.accessibility_violations() == []


async def test_search_for_barriers_finds_them(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.tab.evaluate("document.documentElement.style.setProperty('--soft', '#aab')")
        await page.tab.evaluate("document.querySelector('label[for=room]').remove()")
        assert {barrier.partition(":")[0] for barrier in await page.accessibility_violations()} >= {
            "color-contrast",
            "label",
        }


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
async def test_page_follows_the_users_colour_scheme(
    verifier: RunningVerifier, tmp_path: Path, scheme: str, dark: bool
) -> None:
    async with inspector(tmp_path, verifier, scheme=scheme) as page:
        ground = await page.evaluate_text("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark


async def focused(page: Page) -> str:
    return await page.evaluate_text("document.activeElement.id || document.activeElement.innerText")


async def test_keyboard_is_enough(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier) as page:
        order = []
        for _ in range(9):
            await page.press("Tab")
            order.append(await focused(page))
        assert order == [
            *("Skip to the content", "Inspector", "Dashboard", "Codes", "API"),
            *("pasted", "room", "Inspect", "clear"),
        ]
        await page.press("Tab")
        assert await focused(page) == "sample"
        await page.fill("pasted", mint())
        await page.press("Enter", modifiers=2)
        assert await page.wait_for_announcement() == "Allowed"
        assert await focused(page) == "pasted"
        await page.press("Tab")
        await page.tab.call("Input.insertText", text="retro")
        await page.press("Enter")
        await page.wait_for("verdict.innerText.endsWith('Denied: room-mismatch')")
        behind = []
        for _ in range(10):
            await page.press("Tab")
            behind.append(
                await page.evaluate_text(
                    "document.activeElement.ariaLabel || document.activeElement.innerText"
                )
            )
        assert behind == [
            *("Inspect", "Clear", "room-mismatch", "Copy the code", "Copy for a ticket"),
            *("✗1 rule failed", "✓15 rules passed", "·2 rules not reached"),
            *("Header, decoded", "Claims, decoded"),
        ]
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate_text(outline) == "solid"


async def test_screen_reader_gets_names_and_the_decision(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        known = await page.accessibility_tree()
        for part in (
            ("RootWebArea", "jitsi-verifier: token inspector"),
            ("heading", "Token inspector"),
            ("textbox", "Token or join URL"),
            ("textbox", "Room"),
            ("navigation", "Pages"),
            ("link", "Dashboard"),
            ("button", "Fill in a sample"),
            ("button", "Inspect"),
            ("button", "Clear"),
            ("main", ""),
        ):
            assert part in known, part
        live = "[verdict.role, verdict.ariaAtomic, problem.role].join()"
        assert await page.evaluate_text(live) == "status,true,alert"
        await page.inspect(f"https://m/retro?jwt={mint()}")
        known = await page.accessibility_tree()
        for part in (
            ("heading", "This token is for the room standup; the link opens retro."),
            ("heading", "Rules, in Jitsi's order"),
            ("region", "Claims, decoded"),
            ("link", "room-mismatch"),
            ("button", "Copy the code"),
            ("button", "Copy for a ticket"),
            ("term", "Expected"),
            ("StaticText", "1 rule failed"),
        ):
            assert part in known, part
        assert ("StaticText", "✗") not in known

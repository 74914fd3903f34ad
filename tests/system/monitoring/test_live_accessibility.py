"""The live dashboard is accessible: small screens, colours, keyboard, screen reader."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.system.monitoring.live_page import LivePage, live_page
from tests.system.monitoring.panels import CHARTS, GROUPS, HEADLINE
from tests.system.monitoring.traffic import MonitoredVerifier


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
async def test_page_has_no_accessibility_violations(
    monitored: MonitoredVerifier, tmp_path: Path, width: int, scheme: str
) -> None:
    async with live_page(tmp_path, monitored, width=width, scheme=scheme) as page:
        assert await page.accessibility_violations() == []
        await page.fill(monitored)
        assert await page.accessibility_violations() == []
        assert await page.tab.evaluate("document.documentElement.scrollWidth") == width
        await page.tab.evaluate("document.getElementById('status').className = 'bad'")
        await page.tab.evaluate("document.getElementById('pause').ariaPressed = 'true'")
        assert await page.accessibility_violations() == []


async def test_accessibility_check_finds_violations(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.tab.evaluate("document.documentElement.style.setProperty('--soft', '#aab')")
        await page.tab.evaluate("document.querySelector('label[for=back]').remove()")
        rules = {violation.partition(":")[0] for violation in await page.accessibility_violations()}
        assert rules >= {"color-contrast", "label"}


LUMINANCE = """
    const luminance = color => {
        const [r, g, b] = color.match(/[0-9]+/g).slice(0, 3).map(part => part / 255)
            .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
async def test_lines_have_contrast_with_the_background(
    monitored: MonitoredVerifier, tmp_path: Path, scheme: str, dark: bool
) -> None:
    async with live_page(tmp_path, monitored, scheme=scheme) as page:
        background, *lines = await page.tab.evaluate(
            f"""(() => {{ {LUMINANCE}
                const section = document.querySelector('section');
                const path = document.querySelector('path') ?? section.appendChild(
                    document.createElementNS('http://www.w3.org/2000/svg', 'path'));
                return [luminance(getComputedStyle(section).backgroundColor),
                    ...Array.from({{length: 8}}, (_, index) => {{
                        path.setAttribute('class', `line c${{index}}`);
                        return luminance(getComputedStyle(path).stroke);
                    }})];
            }})()"""
        )
    assert (background < 0.1) is dark
    # WCAG 2.2, 1.4.11: graphical objects need 3:1.
    assert len(lines) == 8
    assert all(
        (max(background, line) + 0.05) / (min(background, line) + 0.05) >= 3 for line in lines
    )


async def test_lines_differ_without_colours(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        classes = await page.tab.evaluate(
            "import('/dashboard/chart.js').then("
            "({lineClass}) => Array.from({length: 32}, (_, index) => lineClass(index)))"
        )
    dashes = [name.split()[-1] for name in classes]
    assert all(first != second for first, second in pairwise(dashes))
    assert len(set(classes)) == 32


async def focused(page: LivePage) -> str:
    return await page.evaluate_text(
        "(({id, className, innerText}) => id || className || innerText)(document.activeElement)"
    )


async def test_page_can_be_used_by_keyboard(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        order = []
        for _ in range(8):
            await page.press("Tab")
            order.append(await focused(page))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await page.evaluate_text(outline) == "solid"
            if order[-1] == "pause":
                await page.press("Enter")
                await page.wait_for("document.getElementById('status').textContent === 'Paused'")
        assert order == [
            *("skip", "Inspector", "Dashboard", "Codes", "API"),
            *("pause", "every", "back"),
        ]
        await page.press("Home")
        await page.wait_for("document.getElementById('ago').textContent.endsWith('s ago')")
        caption = "document.querySelector('caption').textContent"
        await page.wait_for(f"{caption}.startsWith('Decisions by outcome, ')")
        await page.wait_for(f"{caption}.endsWith('s ago')")
        assert await page.tab.evaluate("document.querySelectorAll('.cursor').length") > 10
        await page.press("End")
        await page.wait_for("document.getElementById('ago').textContent === 'now'")


async def test_paused_page_can_be_resumed(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.tab.evaluate("document.getElementById('pause').focus()")
        for state, pressed in (("Paused", "true"), ("Live", "false")):
            await page.press("Enter")
            await page.wait_for(f"document.getElementById('status').textContent === {state!r}")
            assert (
                await page.evaluate_text("document.getElementById('pause').ariaPressed") == pressed
            )


async def test_pointing_at_a_chart_shows_its_time(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        box = await page.tab.evaluate(
            "(({x, y, width}) => ({x, y, width}))"
            "(document.querySelector('.chart').getBoundingClientRect())"
        )
        move = {"type": "mouseMoved", "y": box["y"] + 20}
        await page.tab.call("Input.dispatchMouseEvent", x=box["x"] + box["width"] / 2, **move)
        await page.wait_for("document.getElementById('ago').textContent.endsWith('s ago')")
        await page.tab.call("Input.dispatchMouseEvent", x=1, **move)
        await page.wait_for("document.getElementById('ago').textContent === 'now'")


async def test_screen_reader_gets_every_value(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        values = await page.fill(monitored)
        nodes = await page.accessibility_tree()
    assert {name for role, name in nodes if role == "region"} == set(CHARTS)
    assert {name for role, name in nodes if role == "heading"} >= {*CHARTS, *GROUPS}
    tiles = [name for role, name in nodes if role == "term"]
    # "Keys warning": the state of a tile is not only its colour.
    assert [name.removesuffix(" alarm").removesuffix(" warning") for name in tiles] == HEADLINE
    assert "Keys warning" in tiles
    assert {name for role, name in nodes if role == "rowheader"} >= set(
        values["Decisions by outcome"]
    )
    assert ("status", "") in nodes
    assert ("slider", "Look back") in nodes
    assert ("combobox", "Read every") in nodes
    assert ("button", "Pause") in nodes
    assert f"{CHARTS[0]}, now" in {name for role, name in nodes if role == "table"}


async def test_updates_do_not_replace_elements(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    """New values are written to the same cells, so that a screen reader keeps its position."""
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        await page.tab.evaluate("window.cell = document.querySelector('td'), 0")
        before = await page.evaluate_text("window.cell.textContent")
        monitored.send_requests()
        await page.wait_for(f"window.cell.textContent !== {before!r}")
        assert await page.tab.evaluate("window.cell.isConnected")

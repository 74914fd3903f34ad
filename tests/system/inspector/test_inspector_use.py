"""What a user does with the inspector: copy, decode while pasting, try the sample, follow links."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.support.processes import RunningVerifier
from tests.system.inspector.inspector_page import inspector, mint
from verifier.explain import view_token
from verifier.version import VERSION

RETRO = "https://meet.example.org/retro?jwt="


async def test_ticket_has_the_verdict_and_no_token(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    token = mint()
    async with inspector(tmp_path, verifier) as page:
        await page.inspect(RETRO + token)
        text = await page.copied("copy")
        assert text.startswith(
            "Denied: room-mismatch\n"
            "This token is for the room standup; the link opens retro.\n"
            "What to change: Set room"
        )
        for line in (
            "Rule: room",
            "Expected: standup",
            "Found: retro",
            "Room: retro@conference.meet.jitsi",
            "Prosody would answer: not-allowed: Room and token mismatched",
            f"Version: jitsi-verifier {VERSION}",
        ):
            assert f"\n{line}\n" in text, line
        assert not [part for part in token.split(".") if part in text]
        assert "Ada" not in text
        assert await page.copied("copy-code") == "room-mismatch"
        await page.inspect(token, "standup")
        assert (await page.copied("copy")).startswith("Allowed\nRoom: standup@")


async def test_ticket_can_be_selected_if_the_browser_copies_nothing(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.inspect(RETRO + mint())
        await page.tab.evaluate("navigator.clipboard.writeText = () => Promise.reject(), 0")
        await page.tab.evaluate("document.getElementById('copy').click()")
        await page.wait_for("copied.textContent === 'Selected: press Ctrl+C.'")
        selected = await page.evaluate_text("String(getSelection())")
        assert selected.startswith("Denied: room-mismatch\n")
        assert await page.accessibility_violations() == []


async def test_token_is_decoded_while_it_is_pasted(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    token = mint(exp=1_500_000_000)
    decoded = "decoded.innerText"
    async with inspector(tmp_path, verifier) as page:
        await page.wait_for("document.getElementById('bar-mode').textContent === 'enforce'")
        icon = "/bar.svg"  # the browser decides when it requests it
        loaded = {*page.requested_paths(), icon}
        for pasted in (token, RETRO + token, f"Authorization: Bearer {token}"):
            await page.fill("pasted", pasted)
            seen = await page.evaluate_text(decoded)
            for words in ('"alg": "HS256"', '"name": "Ada Lovelace"', "expired 9 years ago"):
                assert words in seen, words
            assert "Checked when you press Inspect." in seen
            assert token.rpartition(".")[2] not in seen
        colours = await page.tab.evaluate(
            "[...document.querySelectorAll('.token span')]"
            ".map(part => getComputedStyle(part).color)"
        )
        assert len(set(colours)) == 3
        await page.fill("pasted", "eyJhbGciOiJub25lIn0.e30")
        seen = await page.evaluate_text(decoded)
        assert '"alg": "none"' in seen
        assert "There is none." in seen
        for pasted in ("", "nonsense", "https://meet.example.org/standup"):
            await page.fill("pasted", pasted)
            assert await page.evaluate_text(decoded) == ""
        assert {*page.requested_paths(), icon} == loaded
        assert "/v1/explain" not in loaded


async def test_changed_input_clears_the_verdict(verifier: RunningVerifier, tmp_path: Path) -> None:
    left = "verdict.innerText + answer.innerText + ticket.innerText"
    async with inspector(tmp_path, verifier) as page:
        for field in ("room", "pasted"):
            await page.inspect(mint(), "standup")
            await page.fill(field, "other")
            assert await page.evaluate_text(left) == ""
            assert "The verdict appears here" in await page.visible_text()


async def test_sample_opens_nothing_and_shows_a_verdict(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.tab.evaluate("document.getElementById('sample').click()")
        pasted = await page.evaluate_text("pasted.value")
        token = pasted.partition("?jwt=")[2]
        assert (view_token(token).expires or 0) < time.time()
        assert verifier.ask("/standup", token).code == "signature-invalid"
        assert "expired 23 h ago" in await page.visible_text()
        assert await page.evaluate_text("document.activeElement.innerText") == "Inspect"
        await page.press("Enter")
        assert (await page.wait_for_announcement()).endswith("Denied: signature-invalid")


async def test_one_host_hears_nothing_of_hosts(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier) as page:
        for pasted in (RETRO + mint(), mint(), ""):
            await page.inspect(pasted, "standup")
            assert "Host" not in (seen := await page.visible_text())
            assert "configuration" not in seen


async def test_code_leads_to_its_section(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier, width=360) as page:
        await page.inspect(RETRO + mint())
        await page.tab.click_link("room-mismatch")
        await page.wait_for("document.querySelector(':target')")
        assert await page.evaluate_text("location.href") == f"{page.address}codes#room-mismatch"
        seen = await page.evaluate_text("document.querySelector(':target').innerText")
        assert seen.startswith("room-mismatch\nHTTP 403")
        top = "document.querySelector(':target').getBoundingClientRect().top"
        assert 0 <= await page.tab.evaluate(top) < 100


async def test_failed_requests_are_told_in_plain_words(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        for status, detail, words in (
            (503, "", "The verifier cannot answer now: it starts, stops or has too much to do."),
            (502, "", "The verifier cannot answer now: it starts, stops or has too much to do."),
            (403, "Host: expected localhost", "Under this name the verifier answers no question."),
            (413, "the body is too long", "the body is too long"),
            (418, "", "The verifier answered 418."),
        ):
            body = json.dumps({"detail": detail}) if detail else "<html>"
            answer = f"new Response({body!r}, {{ status: {status} }})"
            await page.tab.evaluate(f"self.fetch = async () => {answer}, 0")
            assert (await page.inspect(mint())).startswith(words)
        await page.tab.evaluate("self.fetch = () => Promise.reject(new TypeError()), 0")
        assert (await page.inspect(mint())).startswith("The verifier does not answer.")


async def test_inspector_and_dashboard_link_to_each_other(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.tab.click_link("Dashboard")
        await page.wait_for("document.querySelectorAll('section').length > 10")
        assert await page.evaluate_text("location.href") == f"{page.address}dashboard"
        await page.tab.click_link("Inspector")
        assert await page.evaluate_text("location.href + pasted.id") == f"{page.address}pasted"

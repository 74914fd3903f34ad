"""What the inspector's page shows, in a real Chromium, of good, bad and broken pastes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.support.page import Page
from tests.support.processes import RunningVerifier
from tests.support.tokens import segment, sign
from tests.system.inspector.inspector_page import inspector, mint
from verifier.rules.model import STEPS

RETRO = "https://meet.example.org/retro?jwt={}"
OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"


async def steps(page: Page) -> list[list[str]]:
    found: list[list[str]] = await page.tab.evaluate(
        "[...document.querySelectorAll('.rules li')].map(item => [item.className,"
        " item.querySelector('.name').textContent,"
        " ...[...item.querySelectorAll('dd')].map(cell => cell.textContent)])"
    )
    return found


async def groups(page: Page) -> list[tuple[str, bool]]:
    found: list[list[Any]] = await page.tab.evaluate(
        "[...document.querySelectorAll('details')].map("
        "group => [group.querySelector('summary').textContent.slice(1), group.open])"
    )
    return [(words, is_open) for words, is_open in found]


async def test_denied_token_is_explained_rule_by_rule(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    token = mint()
    async with inspector(tmp_path, verifier) as page:
        heard = await page.inspect(RETRO.format(token))
        assert heard.startswith(
            "This token is for the room standup; the link opens retro.\n\n"
            'What to change: Set room to "retro"'
        )
        assert heard.endswith("Denied: room-mismatch")
        shown = await steps(page)
        assert shown[0] == ["fail", "room", "standup", "retro"]
        passed = [name for result, name, *_ in shown[1:] if result == "pass"]
        assert len(passed) == len(shown) - 1
        assert passed == sorted(passed, key=STEPS.index)
        assert await groups(page) == [
            ("1 rule failed", True),
            (f"{len(passed)} rules passed", False),
            ("2 rules not reached", False),
        ]
        assert await page.evaluate_text(
            "document.querySelector('details.not-reached p').textContent"
        ) == ("domain, claim types")
        seen = await page.visible_text()
        assert "not-allowed: Room and token mismatched" in seen
        assert "retro@conference.meet.jitsi" in seen
        parts = await page.tab.evaluate(
            "[...document.querySelectorAll('pre')].map(p => p.textContent)"
        )
        assert '"alg": "HS256"' in parts[0]
        assert '"name": "Ada Lovelace"' in parts[1]
        assert token.rpartition(".")[2] not in await page.visible_text()


async def test_allowed_token_shows_rights_and_times(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    user = {"name": "Ada Lovelace", "moderator": True}
    context = {"user": user, "features": {"recording": True, "sip-call": "false"}}
    async with inspector(tmp_path, verifier) as page:
        assert await page.inspect(mint(context=context), "StandUp") == "Allowed"
        badges = await page.tab.evaluate(
            "[...document.querySelectorAll('.badges li')].map(b => [b.className, b.innerText])"
        )
        assert badges == [
            ["on", "moderator"],
            ["plain", "Ada Lovelace"],
            ["on", "recording"],
            ["off", "sip-call: off"],
        ]
        seen = await page.visible_text()
        for words in (
            "issued 10 min ago",
            "expires in 3 h",
            "Verifier's clock",
            "as a moderator; it",
        ):
            assert words in seen, words
        assert 'To the web client the room is "standup".' in seen
        assert {step[0] for step in await steps(page)} == {"pass"}


async def test_join_urls_are_read_in_all_forms(verifier: RunningVerifier, tmp_path: Path) -> None:
    token = mint()
    async with inspector(tmp_path, verifier) as page:
        for pasted, note in (
            (f"https://meet.example.org/standup?jwt={token}", ""),
            (f"https://meet.example.org/StandUp#jwt={token}", "which no proxy ever sees"),
            (f'"https://meet.example.org/standup#jwt=%22{token}%22"', "no proxy ever sees"),
            (f"wss://meet.example.org/xmpp-websocket?room=standup&token={token}", ""),
            (f"http://127.0.0.1:8090/ext-authz/standup?jwt={token}", "own /ext-authz endpoint"),
            (f"Bearer {token}", "only the token was checked"),
            (f"  '{token}'\n", "quotes were removed"),
        ):
            assert await page.inspect(pasted) == "Allowed", pasted
            assert note in await page.visible_text()
        assert await page.inspect(f"https://m/standup?jwt={token}&jwt={token}") == (
            "The request can be read in two ways.\n\nWhat to change: Send every parameter once, one"
            " and the same token, and no prefix that differs from the path's tenant.\n\n"
            "Denied: ambiguous-request"
        )


async def test_broken_input_is_named_and_clears_old_results(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    header, claims, _ = mint().split(".")
    async with inspector(tmp_path, verifier) as page:
        assert await page.inspect(mint(), "standup") == "Allowed"
        for pasted, words in (
            ("", "Paste a token or a join URL"),
            ("https://user:pw@meet.example.org/standup", "pasted: expected an http or https URL"),
            ("x" * 70_000, "longer than is accepted"),
        ):
            assert words in await page.inspect(pasted)
            assert await page.evaluate_text("answer.innerText + verdict.innerText") == ""
            assert await page.evaluate_text("document.activeElement.id") == "pasted"
            assert await page.evaluate_text("pasted.getAttribute('aria-invalid')") == "true"
        assert "room: expected a name" in await page.inspect(mint(), "?#")
        assert await page.evaluate_text("document.activeElement.id") == "room"
        assert (await page.inspect("nonsense")).endswith("Denied: token-malformed")
        assert "This part cannot be decoded." in await page.visible_text()
        assert (await page.inspect(f"{header}.{claims}")).endswith("Denied: token-malformed")
        assert "Ada Lovelace" in await page.visible_text()
        assert await page.evaluate_text("String(pasted.getAttribute('aria-invalid'))") == "null"


async def test_mistakes_in_pasted_text_are_named_first(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    token = mint()
    link = "https://meet.example.org"
    unsigned = f"{segment({'typ': 'JWT', 'alg': 'none'})}.{token.split('.')[1]}."
    async with inspector(tmp_path, verifier) as page:
        for pasted, cause in (
            (
                sign({"context": {"iss": "booking-site"}}),
                "The claim iss stands within context:",
            ),
            (f"{link}/standup?jwt={token}%2F", "Behind the token stands `/`: put the room before"),
            (f"{link}/standup#config.x=1?jwt={token}", "The token stands in the fragment, behind"),
            (f"{link}/my room?jwt={token}", "A blank stands in the link, behind `/my`"),
            (f"{link}/standup/?jwt={token}", "A slash stands behind the room, `/standup`."),
            (
                f"jitsi-meet://meet.example.org/retro?jwt={token}",
                "This token is for the room",
            ),
            (token[:-20], "The signature has 17 of 32 bytes: the link was cut off."),
            (unsigned, "The token is unsigned"),
        ):
            heard = await page.inspect(pasted)
            assert heard.startswith(cause), heard
            assert "\n\nWhat to change: " in heard
            assert token.rpartition(".")[2] not in await page.visible_text()


async def test_wrapped_tokens_and_php_arrays_are_noted(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        for wrapped, note in (
            ("b'{}'", "Python's bytes: decode them"),
            ("jwt: '{}',", "was taken out of the text around it"),
            ('{{"jwt":"{}"}}', "a JSON object"),
        ):
            assert await page.inspect(wrapped.format(mint()), "standup") == "Allowed", wrapped
            assert note in await page.visible_text()
        context = {"user": [], "features": {"recording": 1, "livestreaming": "yes"}}
        assert await page.inspect(mint(context=context), "standup") == "Allowed"
        seen = await page.visible_text()
        assert "[] is PHP's empty array" in seen
        assert '1 and "yes" switch nothing on' in seen


async def test_room_alone_is_the_request_of_a_guest(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        assert (await page.inspect("", "standup")).startswith("The request has no token.")
        assert "guest, without a token" in await page.visible_text()


async def test_forged_token_is_shown_as_unverified(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    doubt = "any program could have written this token"
    async with inspector(tmp_path, verifier) as page:
        heard = await page.inspect(mint(OTHER_SECRET))
        assert heard.endswith("Denied: signature-invalid")
        assert doubt in await page.visible_text()
        await page.inspect(mint(exp=1_500_000_000))
        assert doubt not in await page.visible_text()
        assert "expired 11 years ago" not in (seen := await page.visible_text())
        assert "years ago" in seen


async def test_times_are_in_the_users_zone(verifier: RunningVerifier, tmp_path: Path) -> None:
    token = mint(exp=1_500_000_000, nbf=1_400_000_000)
    async with inspector(tmp_path, verifier) as page:
        for zone, expiry, beginning in (
            ("Asia/Tokyo", "14 Jul 2017, 11:40:00 GMT+9", "14 May 2014, 01:53:20 GMT+9"),
            ("America/New_York", "13 Jul 2017, 22:40:00 GMT-4", "13 May 2014, 12:53:20 GMT-4"),
            ("UTC", "14 Jul 2017, 02:40:00 UTC", "13 May 2014, 16:53:20 UTC"),
        ):
            await page.tab.call("Emulation.setTimezoneOverride", timezoneId=zone)
            await page.inspect(token)
            seen = await page.visible_text()
            # Beside the claim, at the rule that failed, and in what to change.
            assert seen.count(expiry) == 3
            assert beginning in seen
            # Beside the claim, and in the title of what to change; once where both are the same.
            assert seen.count("14 Jul 2017, 02:40:00 UTC") == (3 if zone == "UTC" else 1)
            utc = "[...document.querySelectorAll('#verdict time')].map(t => t.title + t.dateTime)"
            assert await page.tab.evaluate(utc) == ["2017-07-14 02:40:00 UTC2017-07-14T02:40:00Z"]


async def test_token_without_expiry_is_shown_as_endless(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    async with inspector(tmp_path, verifier) as page:
        for claim, words in (
            (..., "no exp claim: the token never expires"),
            ("1", "exp is no number"),
        ):
            await page.inspect(mint(exp=claim))
            assert words in await page.visible_text()
        # Milliseconds: a date so far away that few would read it as one.
        await page.inspect(mint(exp=int(time.time()) * 1000))
        assert "looks like milliseconds" in await page.visible_text()
        await page.inspect(mint(exp=2**62))
        assert "no date" in await page.visible_text()


async def test_clock_difference_is_shown(verifier: RunningVerifier, tmp_path: Path) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.inspect(mint())
        assert "clock is" not in await page.visible_text()
        await page.tab.evaluate("Date.now = (now => () => now() + 600_000)(Date.now)")
        await page.inspect(mint())
        assert (
            "This computer's clock is 10 min ahead of the verifier's." in await page.visible_text()
        )


async def test_token_content_is_never_markup_or_hidden(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    name = "<img src=x onerror=alert(1)>\u202eadA\u200b"
    hidden = name.replace("\u202e", "\\u202e").replace("\u200b", "\\u200b")
    endless = segment(b'{"id":9007199254740993,"x":1.0,"exp":1e999}')
    context = {"user": {"name": name}, "features": {"<b>f": True}}
    async with inspector(tmp_path, verifier) as page:
        await page.inspect(mint(context=context))
        seen = await page.visible_text()
        assert hidden in seen
        assert "<b>f" in seen
        claims = "document.querySelectorAll('pre')[1].textContent"
        shown = await page.evaluate_text(claims)
        assert f'"name": "{hidden}"' in shown
        assert not {"\u202e", "\u200b"} & set(shown)
        assert (
            await page.tab.evaluate("document.querySelectorAll('img, b, main script').length") == 0
        )
        big = sign({"id": 9007199254740993, "x": 1.0, "exp": int(time.time()) - 5})
        await page.inspect(big)
        assert '"id": 9007199254740993,' in (text := await page.evaluate_text(claims))
        assert '"x": 1.0' in text
        await page.inspect(f"{segment({'typ': 'JWT'})}.{endless}.c2ln")
        assert "This part cannot be decoded." in await page.visible_text()

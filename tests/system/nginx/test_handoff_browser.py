"""The hand-off in Chromium: what the page, the history and other servers see of the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Tab, browser
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import JITSI, Site, StartSite, mint

# How the web client reads its token: the fragment's parameters are JSON, the query's are not, and
# the fragment comes first (jitsi-meet, base/util/parseURLParams.ts and base/jwt/functions.ts).
PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>Jitsi Meet</title>
<script>
function parameters(text, isJson) {
    const found = {};
    for (const part of text.slice(1).split("&")) {
        const pieces = part.split("=");
        if (!pieces[0]) {
            continue;
        }
        try {
            found[pieces[0]] = isJson ? JSON.parse(decodeURIComponent(pieces[1])) : pieces[1];
        } catch {
            // The client ignores a value that is not JSON.
        }
    }
    return found;
}
const token = parameters(location.hash, true).jwt || parameters(location.search, false).jwt;
// Once connected, the client shows a URL without parameters (features/app/middleware.ts).
function connect() {
    history.replaceState(history.state, document.title, location.pathname);
}
</script>"""


@pytest.fixture
def site(sites: StartSite) -> Site:
    site = sites(JITSI, name="handed off in a browser", VERIFIER_HANDOFF="true")
    (site.nginx.folder / "web" / "index.html").write_text(PAGE)
    return site


def url(site: Site, target: str) -> str:
    return f"http://127.0.0.1:{site.nginx.port}{target}"


async def history(tab: Tab) -> list[str]:
    entries: list[dict[str, Any]] = (await tab.call("Page.getNavigationHistory"))["entries"]
    return [entry["url"] for entry in entries]


async def test_web_client_finds_its_token_in_the_fragment(site: Site, tmp_path: Path) -> None:
    token = mint()
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/acme/standup?lang=de&jwt={token}"))
        assert await tab.evaluate("token") == token
        assert await tab.evaluate("location.pathname + location.search") == "/acme/standup?lang=de"
        assert await tab.evaluate("location.hash") == f"#jwt=%22{token}%22"


async def test_history_and_referrer_contain_no_token(site: Site, tmp_path: Path) -> None:
    token = mint()
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/standup?jwt={token}"), referrer="https://mail.example.org/")
        assert await history(tab) == ["about:blank", url(site, f"/standup#jwt=%22{token}%22")]
        await tab.evaluate("connect()")
        assert await history(tab) == ["about:blank", url(site, "/standup")]
        forwarded = await tab.evaluate(
            "fetch('/colibri-ws/default-id/x').then(answer => answer.json())"
        )
        assert RecordedRequest.from_json(forwarded).values("Referer") == []
        assert not [part for part in token.split(".") if part in str(forwarded)]


async def test_reload_is_allowed_by_cookie_with_or_without_fragment(
    site: Site, tmp_path: Path
) -> None:
    token = mint()
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/standup?jwt={token}"))
        await tab.reload()
        assert await tab.evaluate("token") == token
        await tab.evaluate("connect()")
        await tab.reload()
        assert await tab.evaluate("[document.title, token]") == ["Jitsi Meet", None]
        assert await tab.evaluate("location.href") == url(site, "/standup")


async def test_cookie_is_hidden_from_scripts_and_opens_one_room(site: Site, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/standup?jwt={mint()}"))
        assert await tab.evaluate("document.cookie") == ""
        (cookie,) = (await tab.call("Network.getCookies"))["cookies"]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
        assert (
            await tab.evaluate("fetch('/http-bind?room=standup').then(answer => answer.status)")
            == 401
        )
        await tab.open(url(site, "/retro"))
        assert "You need an invitation" in await tab.evaluate("document.body.innerText")


async def test_two_rooms_can_be_open_at_once(site: Site, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        for room in ("standup", "retro"):
            await tab.open(url(site, f"/{room}?jwt={mint(room=room)}"))
        for room in ("standup", "retro"):
            await tab.open(url(site, f"/{room}"))
            assert await tab.evaluate("document.title") == "Jitsi Meet"


async def test_framed_page_keeps_its_own_fragment(site: Site, tmp_path: Path) -> None:
    """The iframe API passes settings in the fragment, and a redirect would replace them."""
    token = mint()
    script = f"""new Promise(resolve => {{
        const frame = document.createElement("iframe");
        frame.src = "/standup?jwt={token}#config.startWithAudioMuted=true";
        frame.onload = () => resolve([frame.contentWindow.location.href,
                                      frame.contentWindow.eval("token")]);
        document.body.append(frame);
    }})"""
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/retro?jwt={mint(room='retro')}"))
        whole = url(site, f"/standup?jwt={token}#config.startWithAudioMuted=true")
        assert await tab.evaluate(script) == [whole, token]


async def test_logs_contain_no_token_from_the_browser(site: Site, tmp_path: Path) -> None:
    token = mint(nonce="of-this-test")
    async with browser(tmp_path) as tab:
        await tab.open(url(site, f"/standup?jwt={token}"))
        await tab.reload()
    assert not [part for part in token.split(".")[1:] if part in site.logs()]

"""Pages of other origins in Chromium: signalling with a token through nginx to a real Prosody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Tab, browser
from tests.support.upstream import Upstream
from tests.system.nginx.sites import JITSI, Site, StartSite, mint
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.releases import this_release

PROSODY = """
modules_enabled = { "bosh" }
consider_bosh_secure = true
http_default_host = "meet.example.org"
http_cors_override = { bosh = { enabled = true, headers = { Authorization = true } } }
VirtualHost "meet.example.org"
    authentication = "anonymous"
"""

BOSH = "/http-bind?room=standup"
CONFERENCE = "/conference-request/v1?room=standup"
SESSION = (
    "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='1'"
    " to='meet.example.org' wait='5' hold='1' ver='1.6' xmpp:version='1.0'/>"
)
FETCH = """fetch({url}, {{method: "POST", headers: {headers}, body: {body}}}).then(
    async answer => [answer.status, answer.headers.get("X-Jitsi-Denial"), await answer.text()],
    error => [error.name, null, ""])"""


@pytest.fixture(scope="module")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    release = this_release()
    folder = tmp_path_factory.mktemp("prosody")
    template = folder / "template.cfg.lua"
    template.write_text(PROSODY)
    server = Prosody(release, folder / "prosody", {}, template)
    yield server
    server.stop()


@pytest.fixture
def site(sites: StartSite, prosody: Prosody, upstream: Upstream) -> Site:
    """Return a site with Prosody; the upstream is Jicofo, and serves pages of another origin."""
    edits = [("127.0.0.1:5280", f"127.0.0.1:{prosody.port}")]
    origin = f"http://127.0.0.1:{upstream.port}"
    return sites(JITSI, name="other origins", edits=edits, VERIFIER_CORS_ORIGINS=origin)


async def post(tab: Tab, site: Site, target: str, token: str | None, body: str) -> list[Any]:
    """Send what Jitsi's client sends; return status, denial code and body, or the error."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    url = f"http://127.0.0.1:{site.nginx.port}{target}"
    values = {"url": json.dumps(url), "headers": json.dumps(headers), "body": json.dumps(body)}
    answer: list[Any] = await tab.evaluate(FETCH.format(**values))
    return answer


async def test_page_of_an_allowed_origin_connects_and_reads_denials(
    site: Site, upstream: Upstream, tmp_path: Path
) -> None:
    good, other = mint(), mint(room="other")
    async with browser(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{upstream.port}/portal")
        status, denial, text = await post(tab, site, BOSH, good, SESSION)
        assert (status, denial) == (200, None)
        assert "sid=" in text
        status, denial, text = await post(tab, site, CONFERENCE, good, '{"room": "standup"}')
        assert (status, denial) == (200, None)
        assert json.loads(text)["method"] == "POST"
        for token, expected in ((other, "room-mismatch"), (None, "token-missing")):
            status, denial, _ = await post(tab, site, BOSH, token, SESSION)
            assert (status, denial) == (403 if token else 401, expected)
            status, denial, _ = await post(tab, site, CONFERENCE, token, "{}")
            assert (status, denial) == (401, expected)


async def test_page_of_another_origin_connects_and_reads_no_denial(
    site: Site, upstream: Upstream, tmp_path: Path
) -> None:
    async with browser(tmp_path) as tab:
        await tab.open(f"http://localhost:{upstream.port}/portal")
        assert (await post(tab, site, BOSH, mint(), SESSION))[0] == 200
        for target in (BOSH, CONFERENCE):
            assert await post(tab, site, target, mint(room="x"), "{}") == ["TypeError", None, ""]

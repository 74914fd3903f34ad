"""WebSocket upgrades are decided first, and then forwarded to the upstream."""

from __future__ import annotations

import json

import aiohttp
import pytest
from yarl import URL

from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param)


def address(site: Site, target: str) -> URL:
    return URL(f"http://127.0.0.1:{site.nginx.port}{target}", encoded=True)


async def test_allowed_upgrade_connects_to_the_upstream(site: Site) -> None:
    url = address(site, f"/xmpp-websocket?room=standup&token={mint()}")
    headers = {"X-Jitsi-Moderator": "true"}
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, headers=headers, protocols=("xmpp",)) as socket,
    ):
        forwarded = RecordedRequest.from_json(json.loads(await socket.receive_str()))
        await socket.send_str("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
        assert (await socket.receive_str()).startswith("<open ")
        assert socket.protocol == "xmpp"
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert forwarded.values("X-Jitsi-User-Name") == ["Ada%20Lovelace"]


async def test_upgrade_keeps_its_tenant(site: Site) -> None:
    url = address(site, f"/acme/xmpp-websocket?room=standup&token={mint()}")
    async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
        forwarded = RecordedRequest.from_json(json.loads(await socket.receive_str()))
    assert forwarded.values("X-Jitsi-Tenant") == ["acme"]
    assert "acme" in forwarded.target


@pytest.mark.parametrize(("room", "status"), [(None, 401), ("other", 403)])
async def test_denied_upgrade_does_not_reach_the_upstream(
    site: Site, room: str | None, status: int
) -> None:
    before = len(site.upstream.requests)
    token = f"&token={mint(room=room)}" if room else ""
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            await client.ws_connect(address(site, f"/xmpp-websocket?room=standup{token}"))
    assert denied.value.status == status
    assert denied.value.headers is not None
    assert denied.value.headers["X-Jitsi-Denial"] in {"token-missing", "room-mismatch"}
    assert len(site.upstream.requests) == before

"""Signalling requests: denied, or forwarded with the decided room and tenant."""

from __future__ import annotations

import pytest

from tests.support.raw_http import send
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import Site, StartSite, mint

SIGNALLING = [
    "/http-bind",
    "/xmpp-websocket",
    "/_api/room-info",
    "/conference-request/v1",
    "/acme/http-bind",
    "/acme/xmpp-websocket",
    "/acme/_api/room-info",
    "/acme/conference-request/v1",
]


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_without_token_is_denied(jitsi_site: Site, target: str) -> None:
    assert jitsi_site.get(f"{target}?room=standup").denial == (401, "token-missing")


def forbidden(target: str) -> int:
    """Return the status of a denial that no other token changes: clients of Jicofo need a 401."""
    return 401 if "conference-request" in target else 403


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_with_token_of_another_room_is_denied(jitsi_site: Site, target: str) -> None:
    answer = jitsi_site.get(f"{target}?room=standup&token={mint(room='other')}")
    assert answer.denial == (forbidden(target), "room-mismatch")


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_without_room_is_denied(jitsi_site: Site, target: str) -> None:
    answer = jitsi_site.get(f"{target}?token={mint(room='*')}")
    assert answer.denial == (forbidden(target), "room-address-invalid")


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_with_token_reaches_the_upstream(jitsi_site: Site, target: str) -> None:
    forwarded = jitsi_site.forwarded(f"{target}?room=standup&token={mint()}")
    assert forwarded.values("X-Jitsi-Room") == ["standup"]
    assert forwarded.values("X-Jitsi-Tenant") == ["acme" if "acme" in target else "-"]


@pytest.mark.parametrize("target", [name for name in SIGNALLING if "conference" not in name])
def test_prosody_gets_the_decided_tenant(jitsi_site: Site, target: str) -> None:
    """The auth request makes nginx run the server's ``set $prefix "";`` a second time."""
    tenant = "acme" if "acme" in target else ""
    forwarded = jitsi_site.forwarded(f"{target}?room=standup&token={mint()}")
    assert f"?prefix={tenant}&room=standup&" in forwarded.target


def test_encoded_tenant_reaches_prosody_encoded(jitsi_site: Site) -> None:
    forwarded = jitsi_site.forwarded(f"/%D0%BA%D0%BE/%68ttp-bind?room=standup&token={mint()}")
    assert "?prefix=%D0%BA%D0%BE&room=" in forwarded.target
    assert forwarded.values("X-Jitsi-Tenant") == ["%25d0%25ba%25d0%25be"]


def test_encoded_path_without_tenant_gives_prosody_no_tenant(jitsi_site: Site) -> None:
    forwarded = jitsi_site.forwarded(f"/%5Fapi/room-info?room=standup&token={mint()}")
    assert "?prefix=&room=" in forwarded.target
    assert forwarded.values("X-Jitsi-Tenant") == ["-"]


def test_bearer_token_opens_the_conference_request(jitsi_site: Site) -> None:
    target, bearer = "/conference-request/v1?room=standup", f"Bearer {mint()}"
    answer = send(
        jitsi_site.nginx.port, target, ("Authorization", bearer), method="POST", body=b'{"room":1}'
    )
    forwarded = RecordedRequest.from_json(answer.json())
    assert (forwarded.method, forwarded.body) == ("POST", '{"room":1}')
    assert forwarded.values("Authorization") == [bearer]


def test_doubled_authorization_header_is_denied(jitsi_site: Site) -> None:
    """nginx rejects the request itself, or forwards only the first header, which is decided on."""
    headers = [("Authorization", "Bearer x.y.z"), ("Authorization", f"Bearer {mint()}")]
    assert jitsi_site.get("/http-bind?room=standup", *headers).status in {400, 401}


def test_guests_are_allowed_without_token_by_option(sites: StartSite) -> None:
    site = sites(JWT_ALLOW_EMPTY="1")
    forwarded = site.forwarded("/http-bind?room=standup")
    assert forwarded.values("X-Jitsi-Affiliation") == ["none"]
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert site.get("/standup").status == 200
    assert site.get("/standup?jwt=a.b.c").denial == (401, "token-malformed")

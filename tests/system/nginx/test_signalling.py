"""Signalling: refused or handed on with the room and the tenant that were judged."""

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
def test_signalling_is_refused_without_a_token(jitsi: Site, target: str) -> None:
    assert jitsi.get(f"{target}?room=standup").denial == (401, "token-missing")


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_is_refused_with_a_token_for_another_room(jitsi: Site, target: str) -> None:
    answer = jitsi.get(f"{target}?room=standup&token={mint(room='other')}")
    assert answer.denial == (403, "room-mismatch")


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_that_names_no_room_is_refused(jitsi: Site, target: str) -> None:
    answer = jitsi.get(f"{target}?token={mint(room='*')}")
    assert answer.denial == (403, "room-address-invalid")


@pytest.mark.parametrize("target", SIGNALLING)
def test_signalling_reaches_the_upstream_with_its_token(jitsi: Site, target: str) -> None:
    forwarded = jitsi.forwarded(f"{target}?room=standup&token={mint()}")
    assert forwarded.values("X-Jitsi-Room") == ["standup"]
    assert forwarded.values("X-Jitsi-Tenant") == ["acme" if "acme" in target else "-"]


@pytest.mark.parametrize("target", [name for name in SIGNALLING if "conference" not in name])
def test_prosody_is_told_the_tenant_that_was_judged(jitsi: Site, target: str) -> None:
    """Asking the sidecar makes nginx run the server's own ``set $prefix "";`` again."""
    tenant = "acme" if "acme" in target else ""
    forwarded = jitsi.forwarded(f"{target}?room=standup&token={mint()}")
    assert f"?prefix={tenant}&room=standup&" in forwarded.target


def test_an_encoded_tenant_reaches_prosody_encoded(jitsi: Site) -> None:
    forwarded = jitsi.forwarded(f"/%D0%BA%D0%BE/%68ttp-bind?room=standup&token={mint()}")
    assert "?prefix=%D0%BA%D0%BE&room=" in forwarded.target
    assert forwarded.values("X-Jitsi-Tenant") == ["%25d0%25ba%25d0%25be"]


def test_prosody_is_told_no_tenant_for_an_encoded_path_without_one(jitsi: Site) -> None:
    forwarded = jitsi.forwarded(f"/%5Fapi/room-info?room=standup&token={mint()}")
    assert "?prefix=&room=" in forwarded.target
    assert forwarded.values("X-Jitsi-Tenant") == ["-"]


def test_a_bearer_token_opens_the_conference_request(jitsi: Site) -> None:
    target, bearer = "/conference-request/v1?room=standup", f"Bearer {mint()}"
    answer = send(
        jitsi.nginx.port, target, ("Authorization", bearer), method="POST", body=b'{"room":1}'
    )
    forwarded = RecordedRequest.from_json(answer.json())
    assert (forwarded.method, forwarded.body) == ("POST", '{"room":1}')
    assert forwarded.values("Authorization") == [bearer]


def test_a_doubled_authorization_header_is_refused(jitsi: Site) -> None:
    """nginx refuses it itself, or hands on the first alone, which was judged."""
    headers = [("Authorization", "Bearer x.y.z"), ("Authorization", f"Bearer {mint()}")]
    assert jitsi.get("/http-bind?room=standup", *headers).status in {400, 401}


def test_guests_are_let_in_without_a_token_where_that_is_allowed(sites: StartSite) -> None:
    site = sites(JWT_ALLOW_EMPTY="1")
    forwarded = site.forwarded("/http-bind?room=standup")
    assert forwarded.values("X-Jitsi-Affiliation") == ["none"]
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert site.get("/standup").status == 200
    assert site.get("/standup?jwt=a.b.c").denial == (401, "token-malformed")

"""Pages and static files through nginx, and its error pages."""

from __future__ import annotations

import pytest

from tests.system.nginx.sites import Site, StartSite, mint

CYRILLIC = "/%D0%9A%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0"
CYRILLIC_ROOM = "%d0%ba%d0%be%d0%bc%d0%bd%d0%b0%d1%82%d0%b0"

STATIC = [
    "/",
    "/config.js",
    "/acme/config.js",
    "/external_api.js",
    "/manifest.json",
    "/acme/manifest.json",
    "/pwa-worker.js",
    "/favicon.ico",
    "/libs/app.bundle.min.js",
    "/css/all.css",
    "/static/close.html",
    "/images/logo.svg",
    "/fonts/a.woff2",
    "/lang/main.json",
    "/sounds/ring.mp3",
    "/.well-known/assetlinks.json",
]


def test_room_page_opens_with_its_token(jitsi_site: Site) -> None:
    answer = jitsi_site.get(f"/standup?jwt={mint()}")
    assert answer.status == 200
    assert '"room": "standup"' in answer.text


def test_room_page_sends_no_referrer(jitsi_site: Site) -> None:
    assert jitsi_site.get(f"/standup?jwt={mint()}").headers["Referrer-Policy"] == "no-referrer"
    assert jitsi_site.get("/standup").headers["Referrer-Policy"] == "no-referrer"


def test_page_of_a_tenant_opens_with_its_token(jitsi_site: Site) -> None:
    answer = jitsi_site.get(f"/Acme/StandUp?jwt={mint()}")
    assert answer.status == 200
    assert '"tenant": "Acme."' in answer.text


def test_page_causes_one_decision(sites: StartSite) -> None:
    site = sites(name="counted", VERIFIER_LOG_LEVEL="debug")
    assert site.get(f"/acme/standup?jwt={mint()}").status == 200
    assert site.sidecar.log.read_text().count('"allowed"') == 1


def test_page_without_token_is_a_401_with_the_code(jitsi_site: Site) -> None:
    answer = jitsi_site.get("/standup")
    assert answer.denial == (401, "token-missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="jitsi"'
    assert answer.headers.get_content_type() == "text/html"
    assert '<code id="code">token-missing</code>' in answer.text


def test_token_of_another_room_is_a_403(
    jitsi_site: Site,
) -> None:
    answer = jitsi_site.get(f"/standup?jwt={mint(room='other')}")
    assert answer.denial == (403, "room-mismatch")
    assert answer.headers["WWW-Authenticate"] is None
    assert '<code id="code">room-mismatch</code>' in answer.text


def test_expired_token_gets_a_challenge_with_the_reason(jitsi_site: Site) -> None:
    answer = jitsi_site.get(f"/http-bind?room=standup&token={mint(exp=1_500_000_000)}")
    assert answer.denial == (401, "token-expired")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_error_page_is_not_cached(jitsi_site: Site) -> None:
    answer = jitsi_site.get("/standup", ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"))
    assert answer.status == 401
    assert answer.headers["Cache-Control"] == "no-store"


def test_error_page_shows_the_logged_request_id(jitsi_site: Site) -> None:
    text = jitsi_site.get("/standup").text
    request_id = text.partition('<code id="request">')[2].partition("<")[0]
    assert len(request_id) == 32
    assert request_id in jitsi_site.sidecar.log.read_text()
    jitsi_site.nginx.wait_for_log(f"id={request_id}")


@pytest.mark.parametrize("target", STATIC)
def test_static_files_need_no_token(jitsi_site: Site, target: str) -> None:
    log = jitsi_site.sidecar.log.read_text()
    assert jitsi_site.get(target).status == 200
    assert jitsi_site.sidecar.log.read_text() == log


def test_missing_static_file_is_a_404(jitsi_site: Site) -> None:
    assert jitsi_site.get("/libs/none.js").status == 404


def test_media_bridge_needs_no_token(jitsi_site: Site) -> None:
    forwarded = jitsi_site.forwarded("/colibri-ws/default-id/abc?pwd=x", ("X-Jitsi-Room", "forged"))
    assert forwarded.target == "/colibri-ws/default-id/abc?pwd=x"
    assert forwarded.values("X-Jitsi-Room") == []


@pytest.mark.parametrize("target", ["/_jitsi-verifier", "/_jitsi-verifier/en.html", "/auth"])
def test_internal_locations_are_closed_to_clients(jitsi_site: Site, target: str) -> None:
    assert jitsi_site.get(target).status in {401, 404}


def test_cyrillic_room_opens_in_the_web_clients_form(jitsi_site: Site) -> None:
    token = mint(room=CYRILLIC_ROOM)
    assert jitsi_site.get(f"{CYRILLIC}?jwt={token}").status == 200
    quoted = CYRILLIC_ROOM.replace("%", "%25")
    forwarded = jitsi_site.forwarded(f"/http-bind?room={quoted}&token={token}")
    assert forwarded.values("X-Jitsi-Room") == [quoted]


def test_raw_utf_8_target_is_the_same_room(front_site: Site) -> None:
    token = mint(room=CYRILLIC_ROOM)
    forwarded = front_site.forwarded(f"/Комната?jwt={token}")
    assert forwarded.values("X-Jitsi-Room") == [CYRILLIC_ROOM.replace("%", "%25")]

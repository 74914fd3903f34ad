"""The hand-off through nginx: the redirect, the cookie, and what the cookie does not open."""

from __future__ import annotations

import time

import pytest

from tests.support.raw_http import send
from tests.system.nginx.handoffs import HOST, STANDUP, cookie, handed_off
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint
from verifier.http.handoff_cookie import CookieScope


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param, VERIFIER_HANDOFF="true")


def test_allowed_page_redirects_to_fragment_then_cookie_allows(site: Site) -> None:
    token = mint()
    answer = site.get(f"/standup?lang=de&jwt={token}")
    location, sent = handed_off(answer)
    assert location == f"/standup?lang=de#jwt=%22{token}%22"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert token not in answer.text
    page = location.partition("#")[0]
    assert site.get(page, sent).status == 200
    assert site.get(page).denial == (401, "token-missing")


def test_cookie_attributes_are_strict_and_expire_with_token(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(exp=int(time.time()) + 600)}")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-jitsi-")
    age = attributes.pop(0)
    assert 590 <= int(age.removeprefix("Max-Age=")) <= 600
    assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]


def test_page_of_a_tenant_is_handed_off(site: Site) -> None:
    location, sent = handed_off(site.get(f"/Acme/StandUp?jwt={mint()}"))
    assert location.startswith("/Acme/StandUp#jwt=")
    assert site.get("/Acme/StandUp", sent).status == 200
    assert site.get("/acme/standup", sent).status == 200
    assert site.get("/StandUp", sent).status == 401


@pytest.mark.parametrize(
    "target",
    [
        "/http-bind?room=standup",
        "/xmpp-websocket?room=standup",
        "/conference-request/v1?room=standup",
        "/_api/room-info?room=standup",
        "/acme/http-bind?room=standup",
    ],
)
def test_cookie_does_not_open_signalling(site: Site, target: str) -> None:
    arrived = len(site.upstream.requests)
    for scope in (STANDUP, CookieScope(HOST, "acme", "standup")):
        assert site.get(target, cookie(scope)).denial == (401, "token-missing")
    assert len(site.upstream.requests) == arrived
    assert site.get(f"{target}&token={mint()}", cookie()).status == 200


@pytest.mark.parametrize("host", ["other.example.org", "meet.example.org.evil.example"])
def test_cookie_is_denied_on_another_host(site: Site, host: str) -> None:
    assert site.get("/standup", cookie()).status == 200
    assert send(site.nginx.port, "/standup", cookie(), host=host).status == 401


def test_wrong_cookies_are_denied(site: Site) -> None:
    name, value = cookie()[1].split("=")
    for sent in (
        cookie(CookieScope(HOST, None, "retro")),
        cookie(CookieScope(HOST, "acme", "standup")),
        ("Cookie", f"{name}=1{value}"),
        ("Cookie", f"{name}={value}x"),
        ("Cookie", f"{name}="),
        ("Cookie", f"x{name}={value}"),
    ):
        assert site.get("/standup", sent).denial == (401, "token-missing")


def test_page_says_that_the_token_of_the_cookie_has_ended(site: Site) -> None:
    answer = site.get("/standup", cookie(ends=int(time.time()) - 1))
    assert answer.denial == (401, "token-expired")
    assert "This link has expired" in answer.text


def test_cookie_of_the_room_is_found_among_several(site: Site) -> None:
    other = cookie(CookieScope(HOST, None, "retro"))[1]
    both = ("Cookie", f"a=b; {other}; {cookie()[1]}; c=d")
    assert site.get("/standup", both).status == 200
    assert site.get("/retro", both).status == 200
    assert site.get("/third", both).status == 401


def test_denied_request_is_not_handed_off(site: Site) -> None:
    for target in (
        f"/standup?jwt={mint(room='other')}",
        f"/standup?jwt={mint(exp=1_500_000_000)}",
        f"/standup?jwt={mint()}x",
        f"/standup?jwt={mint()}&jwt={mint()}",
        "/standup",
    ):
        answer = site.get(target)
        assert answer.status in {401, 403}
        assert answer.headers["Set-Cookie"] is None
        assert answer.headers["Location"] is None


def test_cookie_does_not_allow_an_expired_token(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(exp=1_500_000_000)}", cookie())
    assert answer.denial == (401, "token-expired")


def test_room_named_like_a_host_redirects_to_same_host(site: Site) -> None:
    answer = site.get(f"//evil.example?jwt={mint(room='evil.example')}")
    assert handed_off(answer)[0].startswith("/evil.example#jwt=")


def test_client_headers_set_no_cookie_and_no_redirect(site: Site) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example"), ("Set-Cookie", "a=b")
    answer = site.get("/standup", *forged)
    assert (answer.status, answer.headers["Set-Cookie"]) == (401, None)


def test_framed_page_is_not_redirected(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint()}", ("Sec-Fetch-Dest", "iframe")).status == 200


def test_long_links_are_handed_off_or_allowed(site: Site) -> None:
    for length in range(12_000, 16_000, 200):
        target = f"/standup?jwt={mint()}&a="
        answer = site.get(target + "b" * (length - len(target)))
        assert answer.status in {200, 302}, length


def test_long_cookie_with_long_token_is_handed_off(site: Site) -> None:
    token = mint(context={"user": {"name": "n" * 6_000}})
    long = ("Cookie", f"a={'c' * 12_000}")
    location, _ = handed_off(site.get(f"/standup?jwt={token}", long))
    assert location == f"/standup#jwt=%22{token}%22"


def test_cookies_of_another_secret_are_denied(sites: StartSite) -> None:
    site = sites(VERIFIER_HANDOFF="true", VERIFIER_HANDOFF_SECRET="of-its-own-" * 4)
    assert site.get("/standup", cookie()).denial == (401, "token-missing")


def test_unavailable_service_accepts_no_cookie(sites: StartSite) -> None:
    site = sites(name="hand-off, down", VERIFIER_HANDOFF="true")
    assert site.get("/standup", cookie()).status == 200
    site.sidecar.stop()
    assert site.get("/standup", cookie()).status == 503
    assert site.get(f"/standup?jwt={mint()}").status == 503


def test_no_handoff_and_no_cookie_without_the_option(jitsi_site: Site) -> None:
    assert jitsi_site.get(f"/standup?jwt={mint()}").status == 200
    assert jitsi_site.get("/standup", cookie()).denial == (401, "token-missing")


def test_logs_contain_no_token_and_no_cookie(site: Site) -> None:
    token = mint(secret="of-this-test")
    _, sent = handed_off(site.get(f"/standup?jwt={token}"))
    site.get("/standup", sent)
    site.get("/other", sent)
    logs = site.logs()
    assert '"GET /standup HTTP/1.1" 302' in logs
    for part in (*token.split("."), sent[1].partition("=")[2]):
        assert part not in logs

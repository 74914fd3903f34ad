"""The hand-off through the real nginx, raw: redirect, cookie, and what a cookie never opens."""

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


def test_an_allowed_page_is_sent_to_its_fragment_and_then_passes_by_cookie(site: Site) -> None:
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


def test_the_cookie_is_locked_down_and_ends_with_the_token(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(exp=int(time.time()) + 600)}")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-jitsi-")
    age = attributes.pop(0)
    assert 590 <= int(age.removeprefix("Max-Age=")) <= 600
    assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]


def test_a_tenants_page_is_handed_off_below_its_tenant(site: Site) -> None:
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
def test_signalling_is_never_opened_by_a_cookie(site: Site, target: str) -> None:
    arrived = len(site.upstream.requests)
    for place in (STANDUP, CookieScope(HOST, "acme", "standup")):
        assert site.get(target, cookie(place)).denial == (401, "token-missing")
    assert len(site.upstream.requests) == arrived
    assert site.get(f"{target}&token={mint()}", cookie()).status == 200


@pytest.mark.parametrize("host", ["other.example.org", "meet.example.org.evil.example"])
def test_a_cookie_opens_nothing_on_another_host(site: Site, host: str) -> None:
    assert site.get("/standup", cookie()).status == 200
    assert send(site.nginx.port, "/standup", cookie(), host=host).status == 401


def test_other_cookies_open_nothing(site: Site) -> None:
    name, value = cookie()[1].split("=")
    for sent in (
        cookie(CookieScope(HOST, None, "retro")),
        cookie(CookieScope(HOST, "acme", "standup")),
        cookie(ends=int(time.time()) - 1),
        ("Cookie", f"{name}=1{value}"),
        ("Cookie", f"{name}={value}x"),
        ("Cookie", f"{name}="),
        ("Cookie", f"x{name}={value}"),
    ):
        assert site.get("/standup", sent).denial == (401, "token-missing")


def test_of_several_cookies_the_rooms_own_counts(site: Site) -> None:
    other = cookie(CookieScope(HOST, None, "retro"))[1]
    both = ("Cookie", f"a=b; {other}; {cookie()[1]}; c=d")
    assert site.get("/standup", both).status == 200
    assert site.get("/retro", both).status == 200
    assert site.get("/third", both).status == 401


def test_who_is_refused_is_handed_nothing(site: Site) -> None:
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


def test_an_expired_token_is_not_helped_by_a_cookie(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(exp=1_500_000_000)}", cookie())
    assert answer.denial == (401, "token-expired")


def test_a_room_named_like_a_host_leads_to_no_other_host(site: Site) -> None:
    answer = site.get(f"//evil.example?jwt={mint(room='evil.example')}")
    assert handed_off(answer)[0].startswith("/evil.example#jwt=")


def test_what_a_client_sends_sets_no_cookie_and_leads_nowhere(site: Site) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example"), ("Set-Cookie", "a=b")
    answer = site.get("/standup", *forged)
    assert (answer.status, answer.headers["Set-Cookie"]) == (401, None)


def test_a_page_in_a_frame_keeps_its_token(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint()}", ("Sec-Fetch-Dest", "iframe")).status == 200


def test_long_links_are_handed_off_as_long_as_nginx_can_say_so(site: Site) -> None:
    for length in range(12_000, 16_000, 200):
        target = f"/standup?jwt={mint()}&a="
        answer = site.get(target + "b" * (length - len(target)))
        assert answer.status in {200, 302}, length


def test_a_long_cookie_beside_a_long_token_is_no_trouble(site: Site) -> None:
    token = mint(context={"user": {"name": "n" * 6_000}})
    long = ("Cookie", f"a={'c' * 12_000}")
    location, _ = handed_off(site.get(f"/standup?jwt={token}", long))
    assert location == f"/standup#jwt=%22{token}%22"


def test_another_secret_ends_every_cookie(sites: StartSite) -> None:
    site = sites(VERIFIER_HANDOFF="true", VERIFIER_HANDOFF_SECRET="of-its-own-" * 4)
    assert site.get("/standup", cookie()).denial == (401, "token-missing")


def test_a_sidecar_that_is_down_honours_no_cookie(sites: StartSite) -> None:
    site = sites(name="hand-off, down", VERIFIER_HANDOFF="true")
    assert site.get("/standup", cookie()).status == 200
    site.sidecar.stop()
    assert site.get("/standup", cookie()).status == 503
    assert site.get(f"/standup?jwt={mint()}").status == 503


def test_without_the_option_tokens_stay_and_cookies_open_nothing(jitsi: Site) -> None:
    assert jitsi.get(f"/standup?jwt={mint()}").status == 200
    assert jitsi.get("/standup", cookie()).denial == (401, "token-missing")


def test_no_log_holds_a_token_or_a_cookie(site: Site) -> None:
    token = mint(secret="of-this-test")
    _, sent = handed_off(site.get(f"/standup?jwt={token}"))
    site.get("/standup", sent)
    site.get("/other", sent)
    logs = site.logs()
    assert '"GET /standup HTTP/1.1" 302' in logs
    for part in (*token.split("."), sent[1].partition("=")[2]):
        assert part not in logs

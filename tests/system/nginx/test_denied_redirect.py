"""Refused readers are sent to a login page by the real nginx, and nobody else anywhere."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.raw_http import Answer
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param, VERIFIER_DENIED_REDIRECT_URL=LOGIN)


def sent_to(answer: Answer) -> dict[str, list[str]]:
    parts = urlsplit(answer.headers["Location"])
    assert (answer.status, parts.scheme, parts.netloc) == (302, "https", "login.example.org")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    return parse_qs(parts.query, strict_parsing=True)


def test_a_refused_reader_is_sent_to_the_login_page_without_the_token(site: Site) -> None:
    answer = site.get(f"/acme/standup?lang=de&jwt={mint(exp=1_500_000_000)}")
    assert sent_to(answer) == {
        "why": ["token-expired"],
        "room": ["standup"],
        "to": ["https://meet.example.org/acme/standup?lang=de"],
    }
    assert "eyJ" not in str(answer.headers) + answer.text


def test_a_403_is_sent_there_too(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(room='other')}")
    assert sent_to(answer)["why"] == ["room-mismatch"]
    assert answer.headers["X-Jitsi-Denial"] == "room-mismatch"


@pytest.mark.parametrize(
    "target", ["//evil.example", "///evil.example/x", "/%0d%0aLocation:x", "/https://evil.example"]
)
def test_no_target_leads_anywhere_else(site: Site, target: str) -> None:
    answer = site.get(target)
    if answer.status == 302:
        assert sent_to(answer)["to"][0].startswith("https://meet.example.org/")
    else:
        assert answer.headers["Location"] is None


def test_a_client_cannot_say_where_it_is_sent(site: Site) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example/")
    assert sent_to(site.get("/standup", forged))["why"] == ["token-missing"]
    assert site.get(f"/standup?jwt={mint()}", forged).status == 200
    assert site.get("/http-bind?room=standup", forged).status == 401


def test_signalling_stays_a_401(site: Site) -> None:
    answer = site.get("/http-bind?room=standup")
    assert answer.denial == (401, "token-missing")
    assert answer.headers["Location"] is None


def test_who_is_let_in_is_sent_nowhere(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint()}").status == 200


def test_a_sidecar_that_is_down_sends_nobody_anywhere(sites: StartSite) -> None:
    site = sites(name="redirect, down", VERIFIER_DENIED_REDIRECT_URL=LOGIN)
    assert site.get("/standup").status == 302
    site.sidecar.stop()
    answer = site.get("/standup")
    assert (answer.status, answer.headers["Location"]) == (503, None)

"""nginx redirects denied page requests to the login page, and no other request."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.raw_http import Answer
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param, VERIFIER_DENIED_REDIRECT_URL=LOGIN)


def login_parameters(answer: Answer) -> dict[str, list[str]]:
    """Check that an answer redirects to the login page; return the parameters of its URL."""
    parts = urlsplit(answer.headers["Location"])
    assert (answer.status, parts.scheme, parts.netloc) == (302, "https", "login.example.org")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    return parse_qs(parts.query, strict_parsing=True)


def test_denied_page_redirects_to_login_without_the_token(site: Site) -> None:
    answer = site.get(f"/acme/standup?lang=de&jwt={mint(exp=1_500_000_000)}")
    assert login_parameters(answer) == {
        "why": ["token-expired"],
        "room": ["standup"],
        "to": ["https://meet.example.org/acme/standup?lang=de"],
    }
    assert "eyJ" not in str(answer.headers) + answer.text


def test_403_redirects_to_login_too(site: Site) -> None:
    answer = site.get(f"/standup?jwt={mint(room='other')}")
    assert login_parameters(answer)["why"] == ["room-mismatch"]
    assert answer.headers["X-Jitsi-Denial"] == "room-mismatch"


@pytest.mark.parametrize(
    "target", ["//evil.example", "///evil.example/x", "/%0d%0aLocation:x", "/https://evil.example"]
)
def test_no_target_redirects_to_another_host(site: Site, target: str) -> None:
    answer = site.get(target)
    if answer.status == 302:
        assert login_parameters(answer)["to"][0].startswith("https://meet.example.org/")
    else:
        assert answer.headers["Location"] is None


def test_client_cannot_choose_the_redirect(site: Site) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example/")
    assert login_parameters(site.get("/standup", forged))["why"] == ["token-missing"]
    assert site.get(f"/standup?jwt={mint()}", forged).status == 200
    assert site.get("/http-bind?room=standup", forged).status == 401


def test_denied_signalling_stays_a_401(site: Site) -> None:
    answer = site.get("/http-bind?room=standup")
    assert answer.denial == (401, "token-missing")
    assert answer.headers["Location"] is None


def test_allowed_page_is_not_redirected(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint()}").status == 200


def test_unavailable_service_redirects_no_request(sites: StartSite) -> None:
    site = sites(name="redirect, down", VERIFIER_DENIED_REDIRECT_URL=LOGIN)
    assert site.get("/standup").status == 302
    site.sidecar.stop()
    answer = site.get("/standup")
    assert (answer.status, answer.headers["Location"]) == (503, None)

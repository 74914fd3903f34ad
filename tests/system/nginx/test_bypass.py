"""The bypass for service participants depends only on the client address that nginx sees."""

from __future__ import annotations

from tests.system.nginx.sites import Site, StartSite


def site_with(sites: StartSite, network: str) -> Site:
    return sites(VERIFIER_BYPASS=network, VERIFIER_TRUSTED_PROXIES="127.0.0.1")


def test_service_participant_needs_no_token(sites: StartSite) -> None:
    site = site_with(sites, "127.0.0.0/8")
    assert site.get("/standup").status == 200
    assert site.forwarded("/http-bind?room=standup").values("X-Jitsi-User-Id") == ["-"]


def test_client_headers_do_not_grant_the_bypass(sites: StartSite) -> None:
    site = site_with(sites, "10.1.0.0/16")
    for name in ("X-Real-IP", "X_Real_IP", "X-Forwarded-For", "Forwarded"):
        answer = site.get("/http-bind?room=standup", (name, "10.1.0.1"))
        assert answer.denial == (401, "token-missing")

"""Single-use tokens through nginx: only the first browser may use a token again."""

from __future__ import annotations

from itertools import count

import pytest

from tests.system.nginx.handoffs import handed_off
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint

USED = (403, "token-already-used")
BOSH = "/http-bind?room=standup"
SOCKET = "/xmpp-websocket?room=standup"
numbers = count()


def single_use_token(**claims: object) -> str:
    return mint(jti=f"j-{next(numbers)}", **claims)


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(
        request.param,
        VERIFIER_HANDOFF="true",
        VERIFIER_SINGLE_USE="jti",
        VERIFIER_SINGLE_USE_WINDOW="0",
    )


def test_only_the_first_browser_may_use_the_token_again(site: Site) -> None:
    token = single_use_token()
    location, mine = handed_off(site.get(f"/standup?jwt={token}"))
    assert site.get(location.partition("#")[0], mine).status == 200
    for target in (BOSH, SOCKET, BOSH):
        assert site.get(f"{target}&token={token}", mine).status == 200
        assert site.get(f"{target}&token={token}").denial == USED
    assert site.get(f"/standup?jwt={token}").denial == USED
    again, _ = handed_off(site.get(f"/standup?jwt={token}", mine))
    assert again == location


def test_cookie_of_another_token_does_not_allow(site: Site) -> None:
    stolen, own = single_use_token(), single_use_token()
    handed_off(site.get(f"/standup?jwt={stolen}"))
    _, theirs = handed_off(site.get(f"/standup?jwt={own}"))
    assert site.get(f"{BOSH}&token={own}", theirs).status == 200
    assert site.get(f"{BOSH}&token={stolen}", theirs).denial == USED


def test_cookie_of_the_room_is_found_among_others(site: Site) -> None:
    token = single_use_token()
    _, (name, mine) = handed_off(site.get(f"/standup?jwt={token}"))
    cookies = ["a=b"]
    for room in ("one", "two", "three"):
        _, (_, other) = handed_off(site.get(f"/{room}?jwt={single_use_token(room=room)}"))
        cookies += [other, "c=d"]
    for index in range(len(cookies) + 1):
        sent = "; ".join([*cookies[:index], mine, *cookies[index:]])
        assert site.get(f"{BOSH}&token={token}", (name, sent)).status == 200


def test_long_cookies_do_not_break_a_request_with_token(site: Site) -> None:
    token = single_use_token()
    _, (name, mine) = handed_off(site.get(f"/standup?jwt={token}"))
    long = f"{mine}; a={'c' * 12_000}; __Host-jitsi-{'d' * 2_000}"
    target = f"{BOSH}&token={token}&a={'b' * 6_000}"
    assert site.get(target, (name, long)).status == 200


def test_nginx_caches_no_redemption(sites: StartSite) -> None:
    site = sites(name="once", VERIFIER_SINGLE_USE="jti", VERIFIER_SINGLE_USE_WINDOW="600")
    target = f"{BOSH}&token={single_use_token()}"
    for _ in range(3):
        assert site.get(target).status == 200
    site.get("/standup")
    assert "gate=HIT" not in site.logs()

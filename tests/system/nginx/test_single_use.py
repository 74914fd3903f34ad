"""One-use tokens through the real nginx: the browser that was first, and everybody else."""

from __future__ import annotations

from itertools import count

import pytest

from tests.system.nginx.handoffs import handed_off
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint

USED = (403, "token-already-used")
BOSH = "/http-bind?room=standup"
SOCKET = "/xmpp-websocket?room=standup"
numbers = count()


def once(**claims: object) -> str:
    return mint(jti=f"j-{next(numbers)}", **claims)


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(
        request.param,
        VERIFIER_HANDOFF="true",
        VERIFIER_SINGLE_USE="jti",
        VERIFIER_SINGLE_USE_WINDOW="0",
    )


def test_the_first_browser_stays_in_and_nobody_else_gets_in(site: Site) -> None:
    token = once()
    location, mine = handed_off(site.get(f"/standup?jwt={token}"))
    assert site.get(location.partition("#")[0], mine).status == 200
    for target in (BOSH, SOCKET, BOSH):
        assert site.get(f"{target}&token={token}", mine).status == 200
        assert site.get(f"{target}&token={token}").denial == USED
    assert site.get(f"/standup?jwt={token}").denial == USED
    again, _ = handed_off(site.get(f"/standup?jwt={token}", mine))
    assert again == location


def test_ones_own_cookie_does_not_let_in_by_anothers_token(site: Site) -> None:
    stolen, own = once(), once()
    handed_off(site.get(f"/standup?jwt={stolen}"))
    _, theirs = handed_off(site.get(f"/standup?jwt={own}"))
    assert site.get(f"{BOSH}&token={own}", theirs).status == 200
    assert site.get(f"{BOSH}&token={stolen}", theirs).denial == USED


def test_the_rooms_cookie_is_found_among_others(site: Site) -> None:
    token = once()
    _, (name, mine) = handed_off(site.get(f"/standup?jwt={token}"))
    cookies = ["a=b"]
    for room in ("one", "two", "three"):
        _, (_, other) = handed_off(site.get(f"/{room}?jwt={once(room=room)}"))
        cookies += [other, "c=d"]
    for place in range(len(cookies) + 1):
        sent = "; ".join([*cookies[:place], mine, *cookies[place:]])
        assert site.get(f"{BOSH}&token={token}", (name, sent)).status == 200


def test_a_long_cookie_and_a_cookie_with_a_token_are_not_sent_beside_a_token(site: Site) -> None:
    token = once()
    _, (name, mine) = handed_off(site.get(f"/standup?jwt={token}"))
    long = f"{mine}; a={'c' * 12_000}; __Host-jitsi-{'d' * 2_000}"
    target = f"{BOSH}&token={token}&a={'b' * 6_000}"
    assert site.get(target, (name, long)).status == 200


def test_nginx_remembers_no_entry(sites: StartSite) -> None:
    site = sites(name="once", VERIFIER_SINGLE_USE="jti", VERIFIER_SINGLE_USE_WINDOW="600")
    target = f"{BOSH}&token={once()}"
    for _ in range(3):
        assert site.get(target).status == 200
    site.get("/standup")
    assert "gate=HIT" not in site.logs()

"""Identity headers come from the sidecar and from nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.identity import IDENTITY
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint

NEVER = ["X-Jitsi-Would-Deny", "X-Jitsi-Denial"]

SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.lower,
    str.upper,
    lambda name: name.replace("-", "_"),
    lambda name: name.replace("X-Jitsi", "X_Jitsi"),
]


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param)


def forged(count: int = 1) -> list[tuple[str, str]]:
    """Every header in every spelling, as an attacker would send it."""
    names = [spelling(name) for spelling in SPELLINGS for name in (*IDENTITY, *NEVER)]
    return [(name, "forged") for name in names for _ in range(count)]


def identity(forwarded: RecordedRequest) -> dict[str, list[str]]:
    return {name: forwarded.values(name) for name in IDENTITY}


def test_the_upstream_gets_every_identity_header_once(site: Site) -> None:
    forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={mint(exp=98753496345768)}")
    assert identity(forwarded) == {name: [value] for name, value in IDENTITY.items()}


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_client_sends_under_these_names_never_arrives(site: Site, count: int) -> None:
    token = mint(exp=98753496345768)
    forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={token}", *forged(count))
    assert identity(forwarded) == {name: [value] for name, value in IDENTITY.items()}
    assert not [name for name in NEVER if forwarded.values(name)]
    assert "forged" not in str(forwarded.headers)


def test_a_client_that_names_its_own_identity_gets_in_nowhere(site: Site) -> None:
    before = len(site.upstream.requests)
    assert site.get("/http-bind?room=standup", *forged()).status == 401
    assert len(site.upstream.requests) == before


def test_a_guest_cannot_name_itself(sites: StartSite) -> None:
    site = sites(JITSI, JWT_ALLOW_EMPTY="1")
    forwarded = site.forwarded("/http-bind?room=standup", *forged())
    assert "forged" not in str(forwarded.headers)
    assert forwarded.values("X-Jitsi-User-Name") == ["-"]


def test_the_headers_of_every_other_convention_are_out_of_reach(site: Site) -> None:
    """A sidecar that read one of these would judge a room that nginx does not open."""
    open_room = f"/standup?jwt={mint()}"
    smuggled = [
        ("X-Original-URI", open_room),
        ("X_Original_URI", open_room),
        ("X-Original-URL", f"https://meet.example.org{open_room}"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", open_room),
        ("X-Forwarded-Host", "meet.example.org"),
        ("X-Forwarded-Method", "GET"),
        ("X-Rewrite-URL", open_room),
        ("X-Accel-Redirect", open_room),
    ]
    assert site.get("/other", *smuggled).status == 401
    answer = site.get(f"/other?jwt={mint()}", *smuggled)
    assert (answer.status, answer.headers["X-Jitsi-Denial"]) == (403, "room-mismatch")


def test_a_clients_request_id_is_replaced(site: Site) -> None:
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint()}", ("X-Request-Id", "mine"))
    (request_id,) = forwarded.values("X-Request-Id")
    assert len(request_id) == 32


def test_names_beyond_ascii_arrive_percent_encoded(site: Site) -> None:
    user = {"name": "Зоя\r\nX-Evil: 1", "email": "a b@example.org"}
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint(context={'user': user})}")
    assert forwarded.values("X-Jitsi-User-Name") == ["%D0%97%D0%BE%D1%8F%0D%0AX-Evil:%201"]
    assert forwarded.values("X-Evil") == []


def test_the_longest_identity_passes_nginx_whole(site: Site) -> None:
    long = "n" * 1_000
    user = {"id": long, "name": long, "email": long}
    claims = {"context": {"user": user, "group": long, "features": {long: True}}, "sub": long}
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint(**claims)}")
    names = ("User-Id", "User-Name", "User-Email", "Group", "Features", "Subject")
    assert [forwarded.values(f"X-Jitsi-{name}") for name in names] == [[long]] * 6

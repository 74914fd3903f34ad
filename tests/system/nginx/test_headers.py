"""Identity headers reach Jitsi only from the service, never from a client."""

from __future__ import annotations

import pytest

from tests.support.identity import IDENTITY, NOT_FORWARDED, SPELLINGS
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param)


def forged(count: int = 1) -> list[tuple[str, str]]:
    """Return every header in every spelling, ``count`` times each."""
    names = [spelling(name) for spelling in SPELLINGS for name in (*IDENTITY, *NOT_FORWARDED)]
    return [(name, "forged") for name in names for _ in range(count)]


def identity(forwarded: RecordedRequest) -> dict[str, list[str]]:
    return {name: forwarded.values(name) for name in IDENTITY}


def test_upstream_gets_every_identity_header_once(site: Site) -> None:
    forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={mint(exp=98753496345768)}")
    assert identity(forwarded) == {name: [value] for name, value in IDENTITY.items()}


@pytest.mark.parametrize("count", [1, 2])
def test_client_values_of_identity_headers_never_arrive(site: Site, count: int) -> None:
    token = mint(exp=98753496345768)
    forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={token}", *forged(count))
    assert identity(forwarded) == {name: [value] for name, value in IDENTITY.items()}
    assert not [name for name in NOT_FORWARDED if forwarded.values(name)]
    assert "forged" not in str(forwarded.headers)


def test_forged_identity_without_token_is_denied(site: Site) -> None:
    before = len(site.upstream.requests)
    assert site.get("/http-bind?room=standup", *forged()).status == 401
    assert len(site.upstream.requests) == before


def test_guest_cannot_forge_identity_headers(sites: StartSite) -> None:
    site = sites(JITSI, JWT_ALLOW_EMPTY="1")
    forwarded = site.forwarded("/http-bind?room=standup", *forged())
    assert "forged" not in str(forwarded.headers)
    assert forwarded.values("X-Jitsi-User-Name") == ["-"]


def test_headers_of_other_conventions_change_no_decision(site: Site) -> None:
    """A service that read one of these would decide about another room than nginx opens."""
    open_room = f"/standup?jwt={mint()}"
    headers = [
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
    assert site.get("/other", *headers).status == 401
    answer = site.get(f"/other?jwt={mint()}", *headers)
    assert (answer.status, answer.headers["X-Jitsi-Denial"]) == (403, "room-mismatch")


def test_request_id_of_a_client_is_replaced(site: Site) -> None:
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint()}", ("X-Request-Id", "mine"))
    (request_id,) = forwarded.values("X-Request-Id")
    assert len(request_id) == 32


def test_non_ascii_names_arrive_percent_encoded(site: Site) -> None:
    user = {"name": "Зоя\r\nX-Evil: 1", "email": "a b@example.org"}
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint(context={'user': user})}")
    assert forwarded.values("X-Jitsi-User-Name") == ["%D0%97%D0%BE%D1%8F%0D%0AX-Evil:%201"]
    assert forwarded.values("X-Evil") == []


def test_longest_identity_headers_pass_nginx(site: Site) -> None:
    long = "n" * 1_000
    user = {"id": long, "name": long, "email": long}
    claims = {"context": {"user": user, "group": long, "features": {long: True}}, "sub": long}
    forwarded = site.forwarded(f"/http-bind?room=standup&token={mint(**claims)}")
    names = ("User-Id", "User-Name", "User-Email", "Group", "Features", "Subject")
    assert [forwarded.values(f"X-Jitsi-{name}") for name in names] == [[long]] * 6


def test_denials_keep_the_headers_of_the_server_block(sites: StartSite) -> None:
    """Jitsi's web client compares X-Jitsi-Shard in every response to a keep-alive."""
    headers = {"X-Jitsi-Shard": "shard-1", "Strict-Transport-Security": "max-age=63072000"}
    lines = "".join(f'add_header {name} "{value}" always;\n' for name, value in headers.items())
    site = sites(JITSI, name="shards", edits=[('set $prefix "";\n', f'set $prefix "";\n{lines}')])
    websocket = "/xmpp-websocket?room=standup"
    answers = [site.get(target) for target in (websocket, "/standup", f"/other?jwt={mint()}")]
    site.sidecar.stop()
    answers.append(site.get(websocket))
    site.sidecar.start()
    answers.append(site.get(f"{websocket}&token={mint()}"))
    assert [answer.status for answer in answers] == [401, 401, 403, 503, 200]
    for answer in answers:
        for name, value in headers.items():
            assert answer.headers.get_all(name) == [value]
        assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert [answer.headers["Cache-Control"] for answer in answers] == ["no-store"] * 4 + [None]

"""Tokens of real libraries, in the shapes of real guides, through the real nginx."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.support.upstream import RecordedRequest
from tests.system.nginx import guides
from tests.system.nginx.guides import (
    ALGORITHMS,
    BOOKING,
    DAY,
    DOCKER,
    LIBRARIES,
    PLAIN,
    WILDCARD,
    Order,
)
from tests.system.nginx.sites import APP_ID, Site, StartSite

Library = Callable[[list[Order]], list[str]]

GUEST = BOOKING | {"context": {"user": {"name": "Guest", "moderator": "false"}}}
FORGED = BOOKING | {"iss": "another-site"}

ORDERS = {
    (name, algorithm): Order(algorithm, claims, expires_in)
    for algorithm in ALGORITHMS
    for name, claims, expires_in in (
        ("booking", BOOKING, DAY),
        ("guest", GUEST, DAY),
        ("forged", FORGED, DAY),
        ("wildcard", WILDCARD, None),
        ("plain", PLAIN, DAY),
        ("docker", DOCKER, DAY),
        ("late", DOCKER | {"exp": 1_500_000_000}, None),
    )
}


@cache
def tokens(library: Library) -> dict[tuple[str, str], str]:
    """Make every token with one call, as starting Node or Go takes longer than signing."""
    return dict(zip(ORDERS, library(list(ORDERS.values())), strict=True))


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Library:
    made_by: Library = request.param
    return made_by


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def keys(algorithm: str) -> dict[str, str]:
    if algorithm == "HS256":
        return {}
    return {"JWT_SIGN_TYPE": "RS256", "JWT_APP_SECRET": guides.public_key()}


@pytest.fixture
def site(sites: StartSite, algorithm: str) -> Site:
    """Give a site that accepts the audiences of the guides and has no XMPP domain."""
    audiences = f"jitsi,{APP_ID}"
    return sites(JWT_ACCEPTED_AUDIENCES=audiences, **keys(algorithm))


@pytest.fixture
def docker(sites: StartSite, algorithm: str) -> Site:
    """Give a site with docker-jitsi-meet's domain, which tokens are compared with."""
    return sites(
        XMPP_DOMAIN="meet.jitsi", JWT_ACCEPTED_AUDIENCES="your_audience", **keys(algorithm)
    )


def who(forwarded: RecordedRequest, *names: str) -> list[str]:
    """Read identity headers."""
    return [value for name in names for value in forwarded.values(f"X-Jitsi-{name}")]


def denied(site: Site, room: str, token: str) -> tuple[int, Any]:
    answer = site.get(f"/http-bind?room={room}&token={token}")
    return answer.status, answer.headers["X-Jitsi-Denial"]


def test_a_booking_with_moderator_true_makes_an_owner(
    site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["booking", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=booking-123-3f9a&token={token}")
    assert who(forwarded, "Moderator", "Affiliation") == ["true", "owner"]
    assert who(forwarded, "User-Name") == ["%D0%97%D0%BE%D1%8F%20%3CM%C3%BCller%3E"]
    assert who(forwarded, "User-Email") == ["zoe@example.org"]


def test_a_booking_with_moderator_false_makes_a_member(
    site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["guest", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=booking-123-3f9a&token={token}")
    assert who(forwarded, "Moderator", "Affiliation") == ["false", "member"]


def test_a_booking_opens_no_other_room(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["booking", algorithm]
    assert denied(site, "booking-124-77aa", token) == (403, "room-mismatch")


def test_a_token_of_another_site_is_refused(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["forged", algorithm]
    assert denied(site, "booking-123-3f9a", token) == (401, "issuer-not-accepted")


def test_the_copied_example_opens_any_room_and_makes_no_moderator(
    site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["wildcard", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=whatever&token={token}")
    assert who(forwarded, "Moderator", "Affiliation") == ["false", "member"]
    assert who(forwarded, "Expires") == ["98753496345768"]
    assert who(forwarded, "User-Id") == ["abcd:a1b2c3-d4e5f6-0abc1-23de-abcdef01fedcba"]


def test_the_shortest_token_is_enough(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["plain", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=weekly&token={token}")
    assert who(forwarded, "User-Name", "User-Id", "User-Email") == ["-", "-", "-"]
    assert who(forwarded, "Subject", "Affiliation") == ["meet.example.org", "member"]


def test_the_shortest_token_is_for_its_own_domain(
    sites: StartSite, library: Library, algorithm: str
) -> None:
    site = sites(XMPP_DOMAIN="meet.jitsi", **keys(algorithm))
    token = tokens(library)["plain", algorithm]
    assert denied(site, "weekly", token) == (403, "domain-mismatch")


def test_an_accepted_audience_and_the_internal_domain_are_let_in(
    docker: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["docker", algorithm]
    forwarded = docker.forwarded(f"/http-bind?room=standup&token={token}")
    assert who(forwarded, "Room", "Subject", "Affiliation") == ["standup", "meet.jitsi", "member"]
    assert docker.get(f"/standup?jwt={token}").status == 200


def test_the_audience_of_another_guide_is_refused(
    docker: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["wildcard", algorithm]
    assert denied(docker, "standup", token) == (401, "audience-not-accepted")


def test_an_expired_token_is_refused(docker: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["late", algorithm]
    assert denied(docker, "standup", token) == (401, "token-expired")


def test_a_token_signed_with_another_key_is_refused(
    docker: Site, library: Library, algorithm: str
) -> None:
    head, claims, _ = tokens(library)["docker", algorithm].split(".")
    _, _, signature = tokens(library)["plain", algorithm].split(".")
    assert denied(docker, "standup", f"{head}.{claims}.{signature}") == (401, "signature-invalid")


def test_the_other_kind_of_key_is_refused(docker: Site, library: Library, algorithm: str) -> None:
    other = next(name for name in ALGORITHMS if name != algorithm)
    token = tokens(library)["docker", other]
    assert denied(docker, "standup", token) == (401, "algorithm-not-allowed")


def test_libraries_write_what_they_are_known_for() -> None:
    """PHP escapes slashes and letters, Go sorts names: the bytes differ, the verdicts do not."""

    def payload(library: Library) -> bytes:
        segment = tokens(library)["wildcard", "HS256"].split(".")[1]
        return base64.urlsafe_b64decode(segment + "==")

    assert rb'"https:\/\/example.com' in payload(guides.plain_php)
    assert payload(guides.golang_jwt).startswith(b'{"aud":')
    assert b'"iat":' in payload(guides.jsonwebtoken)
    assert b'"iss": ' not in payload(guides.pyjwt)

"""Tokens that real libraries make, with the claims of real guides, through a real nginx."""

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
    TokenSpec,
)
from tests.system.nginx.sites import APP_ID, Site, StartSite

Library = Callable[[list[TokenSpec]], list[str]]

GUEST = BOOKING | {"context": {"user": {"name": "Guest", "moderator": "false"}}}
FORGED = BOOKING | {"iss": "another-site"}

SPECS = {
    (name, algorithm): TokenSpec(algorithm, claims, expires_in)
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
    """Make all tokens with one call, because starting Node or Go takes longer than signing."""
    return dict(zip(SPECS, library(list(SPECS.values())), strict=True))


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Library:
    function: Library = request.param
    return function


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def key_options(algorithm: str) -> dict[str, str]:
    if algorithm == "HS256":
        return {}
    return {"JWT_SIGN_TYPE": "RS256", "JWT_APP_SECRET": guides.public_key()}


@pytest.fixture
def site(sites: StartSite, algorithm: str) -> Site:
    """Return a site that accepts the audiences of the guides and has no XMPP domain."""
    audiences = f"jitsi,{APP_ID}"
    return sites(JWT_ACCEPTED_AUDIENCES=audiences, **key_options(algorithm))


@pytest.fixture
def docker_site(sites: StartSite, algorithm: str) -> Site:
    """Return a site that compares tokens with the XMPP domain of docker-jitsi-meet."""
    return sites(
        XMPP_DOMAIN="meet.jitsi", JWT_ACCEPTED_AUDIENCES="your_audience", **key_options(algorithm)
    )


def identity_values(forwarded: RecordedRequest, *names: str) -> list[str]:
    """Return the values of these identity headers."""
    return [value for name in names for value in forwarded.values(f"X-Jitsi-{name}")]


def denial(site: Site, room: str, token: str) -> tuple[int, Any]:
    answer = site.get(f"/http-bind?room={room}&token={token}")
    return answer.status, answer.headers["X-Jitsi-Denial"]


def test_moderator_true_makes_an_owner(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["booking", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=booking-123-3f9a&token={token}")
    assert identity_values(forwarded, "Moderator", "Affiliation") == ["true", "owner"]
    assert identity_values(forwarded, "User-Name") == ["%D0%97%D0%BE%D1%8F%20%3CM%C3%BCller%3E"]
    assert identity_values(forwarded, "User-Email") == ["zoe@example.org"]


def test_moderator_false_makes_a_member(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["guest", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=booking-123-3f9a&token={token}")
    assert identity_values(forwarded, "Moderator", "Affiliation") == ["false", "member"]


def test_booking_token_opens_no_other_room(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["booking", algorithm]
    assert denial(site, "booking-124-77aa", token) == (403, "room-mismatch")


def test_token_of_another_issuer_is_denied(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["forged", algorithm]
    assert denial(site, "booking-123-3f9a", token) == (401, "issuer-not-accepted")


def test_wildcard_example_opens_any_room_without_moderator_rights(
    site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["wildcard", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=whatever&token={token}")
    assert identity_values(forwarded, "Moderator", "Affiliation") == ["false", "member"]
    assert identity_values(forwarded, "Expires") == ["98753496345768"]
    assert identity_values(forwarded, "User-Id") == ["abcd:a1b2c3-d4e5f6-0abc1-23de-abcdef01fedcba"]


def test_shortest_token_is_allowed(site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["plain", algorithm]
    forwarded = site.forwarded(f"/http-bind?room=weekly&token={token}")
    assert identity_values(forwarded, "User-Name", "User-Id", "User-Email") == ["-", "-", "-"]
    assert identity_values(forwarded, "Subject", "Affiliation") == ["meet.example.org", "member"]


def test_shortest_token_is_denied_for_another_domain(
    sites: StartSite, library: Library, algorithm: str
) -> None:
    site = sites(XMPP_DOMAIN="meet.jitsi", **key_options(algorithm))
    token = tokens(library)["plain", algorithm]
    assert denial(site, "weekly", token) == (403, "domain-mismatch")


def test_docker_audience_and_domain_are_allowed(
    docker_site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["docker", algorithm]
    forwarded = docker_site.forwarded(f"/http-bind?room=standup&token={token}")
    assert identity_values(forwarded, "Room", "Subject", "Affiliation") == [
        "standup",
        "meet.jitsi",
        "member",
    ]
    assert docker_site.get(f"/standup?jwt={token}").status == 200


def test_audience_of_another_guide_is_denied(
    docker_site: Site, library: Library, algorithm: str
) -> None:
    token = tokens(library)["wildcard", algorithm]
    assert denial(docker_site, "standup", token) == (401, "audience-not-accepted")


def test_expired_token_is_denied(docker_site: Site, library: Library, algorithm: str) -> None:
    token = tokens(library)["late", algorithm]
    assert denial(docker_site, "standup", token) == (401, "token-expired")


def test_signature_of_another_token_is_denied(
    docker_site: Site, library: Library, algorithm: str
) -> None:
    head, claims, _ = tokens(library)["docker", algorithm].split(".")
    _, _, signature = tokens(library)["plain", algorithm].split(".")
    assert denial(docker_site, "standup", f"{head}.{claims}.{signature}") == (
        401,
        "signature-invalid",
    )


def test_other_algorithm_is_denied(docker_site: Site, library: Library, algorithm: str) -> None:
    other = next(name for name in ALGORITHMS if name != algorithm)
    token = tokens(library)["docker", other]
    assert denial(docker_site, "standup", token) == (401, "algorithm-not-allowed")


def test_libraries_serialize_claims_differently() -> None:
    """PHP escapes slashes and letters, Go sorts names. The bytes differ, the decisions do not."""

    def payload(library: Library) -> bytes:
        segment = tokens(library)["wildcard", "HS256"].split(".")[1]
        return base64.urlsafe_b64decode(segment + "==")

    assert rb'"https:\/\/example.com' in payload(guides.plain_php)
    assert payload(guides.golang_jwt).startswith(b'{"aud":')
    assert b'"iat":' in payload(guides.jsonwebtoken)
    assert b'"iss": ' not in payload(guides.pyjwt)

"""Pages of allowed origins can read denials, and no other pages can."""

from __future__ import annotations

import pytest

from tests.support.decision_listener import DecisionListener, Received, Setup, receive
from tests.support.handoff import KEY
from tests.support.heads import ENDPOINTS, HOST, TOKENS, Field, head, proxy_request, write_head
from tests.support.sidecar import NOW, FakeKeys, mint
from verifier.http.cors import CorsOrigins
from verifier.http.handoff import Handoff
from verifier.http.pages import Pages
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.keys.sources.base import Missing

PAGE, APP, OTHER = (f"https://{name}.example.org" for name in ("page", "app", "evil"))
OTHER_HOST = "other.example.org"
OPTIONS = ProxyAuthOptions(cors=CorsOrigins([PAGE]))
BOSH = "http-bind?room=standup"
HEADERS = (
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
    "Vary",
)


def cors(response: Received) -> tuple[str, ...]:
    """Return the CORS headers of a response."""
    return tuple(response.headers[name] for name in HEADERS if name in response.headers)


def readable(origin: str) -> tuple[str, ...]:
    """Return the CORS headers that a page of this origin needs."""
    return origin, "true", "Retry-After, WWW-Authenticate, X-Jitsi-Denial", "Origin"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("token", ["other-room", "expired", "forged"])
def test_page_of_an_allowed_origin_can_read_denials(endpoint: str, token: str) -> None:
    request = head(endpoint, ("Origin", PAGE), token=TOKENS[token], room=BOSH)
    listener = DecisionListener(Setup(OPTIONS))
    for response in receive(listener, request, request):
        assert response.status in (401, 403)
        assert cors(response) == readable(PAGE)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_allow_has_no_cors_headers(endpoint: str) -> None:
    listener = DecisionListener(Setup(OPTIONS))
    request = head(endpoint, ("Origin", PAGE), room=BOSH)
    for response in receive(listener, request, request):
        assert (response.status, cors(response)) == (200, ())


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (("Origin", OTHER),),
        (("Origin", "null"),),
        (("Origin", "*"),),
        (("Origin", ""),),
        (("Origin", f"{PAGE}.evil.example"),),
        (("Origin", f"{PAGE}:8443"),),
        (("Origin", PAGE.upper()),),
        (("Origin", f"{PAGE}/"),),
        (("Origin", PAGE), ("Origin", OTHER)),
        (("Origin", PAGE), ("Origin", PAGE)),
        (("Referer", f"{PAGE}/"),),
    ],
)
def test_other_origins_can_read_nothing(fields: tuple[Field, ...]) -> None:
    listener = DecisionListener(Setup(OPTIONS))
    allowed = head("auth", ("Origin", PAGE), token=TOKENS["expired"])
    other = head("auth", *fields, token=TOKENS["expired"])
    for _ in range(2):
        first, second = receive(listener, allowed, other)
        assert (cors(first), cors(second)) == (readable(PAGE), ())


def test_without_the_option_no_response_has_cors_headers() -> None:
    listener = DecisionListener(Setup())
    (response,) = receive(
        listener, head("auth", ("Origin", PAGE), token=TOKENS["expired"], room=BOSH)
    )
    assert cors(response) == ()


def test_invented_origins_share_one_cached_response() -> None:
    listener = DecisionListener(Setup(OPTIONS))
    for number in range(20):
        receive(
            listener, head("auth", ("Origin", f"https://{number}.test"), token=TOKENS["expired"])
        )
    assert len(listener.cache) == 1


@pytest.mark.parametrize(
    ("cause", "status"),
    [("ambiguous", 401), ("unavailable", 503), ("page", 401), ("redirect", 401)],
)
def test_every_kind_of_denial_can_be_read(cause: str, status: int) -> None:
    fields, keys = [("X-Original-URI", f"/{BOSH}")], FakeKeys(waits=False)
    options, policy = OPTIONS, {}
    if cause == "ambiguous":
        fields *= 2
    elif cause == "unavailable":
        keys.answer = Missing.UNAVAILABLE
        policy = {"key_server": True, "signature_algorithm": "RS256"}
        token = mint({"kid": "k", "alg": "RS256"})
        fields = [("X-Original-URI", f"/{BOSH}&token={token}")]
    elif cause == "page":
        fields = [("X-Original-URI", "/standup")]
    else:
        pages = Pages("https://login.example.org/", Handoff([KEY], lambda: NOW))
        options = ProxyAuthOptions(cors=CorsOrigins([PAGE]), pages=pages)
        fields = [("X-Original-URI", "/standup")]
    setup = Setup(options, policy=policy, keys=lambda: keys)
    listener = DecisionListener(setup)
    request = write_head("GET", "/auth", [("Host", HOST), *fields, ("Origin", PAGE)])
    (response,) = receive(listener, request)
    assert (response.status, cors(response)) == (status, readable(PAGE))


def test_response_to_a_preflight_can_be_read() -> None:
    method = ("X-Original-Method", "OPTIONS")
    asks = ("Access-Control-Request-Method", "POST")
    _, fields = proxy_request("auth", None, BOSH)
    listener = DecisionListener(Setup(OPTIONS))
    for origin, expected in ((PAGE, readable(PAGE)), (OTHER, ())):
        request = write_head("GET", "/auth", [*fields, method, asks, ("Origin", origin)])
        (response,) = receive(listener, request)
        assert (response.status, cors(response)) == (200, expected)


def test_each_host_has_its_own_origins() -> None:
    origins = CorsOrigins([PAGE], {OTHER_HOST: [APP]})
    setup = Setup(ProxyAuthOptions(cors=origins), hosts={HOST: {}, OTHER_HOST: {}})
    listener = DecisionListener(setup)
    for host, allowed in ((HOST, PAGE), (OTHER_HOST, APP), (f"{OTHER_HOST}:8443", APP)):
        for origin in (PAGE, APP):
            target, fields = proxy_request("forward-auth", TOKENS["expired"], BOSH, host)
            request = write_head("GET", target, [*fields, ("Origin", origin)])
            for response in receive(listener, request, request):
                assert cors(response) == (readable(origin) if origin == allowed else ())


def test_report_only_mode_adds_nothing_to_an_allow() -> None:
    options = ProxyAuthOptions(cors=CorsOrigins([PAGE]), report_only=True)
    listener = DecisionListener(Setup(options))
    (response,) = receive(
        listener, head("auth", ("Origin", PAGE), token=TOKENS["expired"], room=BOSH)
    )
    assert response.headers["X-Jitsi-Would-Deny"] == "token-expired"
    assert (response.status, cors(response)) == (200, ())

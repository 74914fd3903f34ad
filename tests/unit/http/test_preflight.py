"""CORS preflights of signalling pass without an identity, and open nothing."""

from __future__ import annotations

import pytest

from tests.support.decision_listener import DecisionListener, Setup, receive
from tests.support.heads import ENDPOINTS, GOOD, HOST, Field, proxy_request, write_head
from tests.support.sidecar import NOW
from verifier.http.original_request import CONVENTIONS

ORIGIN = ("Origin", "https://page.example.org")
ASKS = ("Access-Control-Request-Method", "POST")
SIGNALLING = (
    "http-bind?room=standup",
    "http-bind",
    "xmpp-websocket?room=standup",
    "acme/http-bind?room=standup",
    "conference-request/v1?room=standup",
    "acme/conference-request/v1/x?room=standup",
    "_api/room-info?room=standup",
    "acme/_api/room-info?room=standup",
)
UNKNOWN = {
    **dict.fromkeys(("Room", "Tenant", "Subject", "Issuer", "User-Id", "User-Name"), "-"),
    **dict.fromkeys(("User-Email", "Group", "Features", "Expires"), "-"),
    "Moderator": "false",
    "Affiliation": "none",
}


def ask(
    endpoint: str,
    *more: Field,
    room: str = SIGNALLING[0],
    method: str = "OPTIONS",
    token: str | None = None,
) -> bytes:
    """Return the request of a proxy whose client sent this method."""
    target, fields = proxy_request(endpoint, token, room)
    header = CONVENTIONS[endpoint].method_header
    if header is None:
        return write_head(method, target, [*fields, *more])
    return write_head("GET", target, [*fields, (header.decode(), method), *more])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_preflights_of_signalling_pass_without_identity(endpoint: str) -> None:
    listener = DecisionListener(Setup())
    found = receive(listener, *[ask(endpoint, ORIGIN, ASKS, room=room) for room in SIGNALLING * 2])
    for response in found:
        assert response.status == 200
        assert {name: response.headers[f"X-Jitsi-{name}"] for name in UNKNOWN} == UNKNOWN
        assert response.headers["Cache-Control"] == "no-store"
        assert "X-Accel-Expires" not in response.headers
    assert listener.observer.preflights == [endpoint] * len(found)
    assert listener.observer.decisions == []
    assert len(listener.cache) == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_preflight_has_no_identity_of_a_token_in_its_url(endpoint: str) -> None:
    allowed = ask(endpoint, ORIGIN, method="GET", token=GOOD)
    preflight = ask(endpoint, ORIGIN, ASKS, token=GOOD)
    listener = DecisionListener(Setup())
    for before, response, after in (
        receive(listener, allowed, preflight, allowed),
        receive(listener, preflight, preflight, allowed),
    ):
        assert (response.status, response.headers["X-Jitsi-User-Id"]) == (200, "-")
        assert after.headers["X-Jitsi-User-Id"] == "u-1"
        assert before.status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("more", "room", "method"),
    [
        ((), SIGNALLING[0], "OPTIONS"),
        ((ORIGIN,), SIGNALLING[0], "OPTIONS"),
        ((ASKS,), SIGNALLING[0], "OPTIONS"),
        ((("Origin", ""), ASKS), SIGNALLING[0], "OPTIONS"),
        ((ORIGIN, (ASKS[0], "")), SIGNALLING[0], "OPTIONS"),
        ((ORIGIN, ASKS), SIGNALLING[0], "GET"),
        ((ORIGIN, ASKS), SIGNALLING[0], "POST"),
        ((ORIGIN, ASKS), "standup", "OPTIONS"),
        ((ORIGIN, ASKS), "acme/standup?room=http-bind", "OPTIONS"),
        ((ORIGIN, ASKS), "acme/http-bind/standup", "OPTIONS"),
        ((ORIGIN, ASKS, ("X-HTTP-Method-Override", "OPTIONS")), SIGNALLING[0], "POST"),
    ],
)
def test_everything_else_without_a_token_is_denied(
    endpoint: str, more: tuple[Field, ...], room: str, method: str
) -> None:
    listener = DecisionListener(Setup())
    (response,) = receive(listener, ask(endpoint, *more, room=room, method=method))
    assert response.status in (401, 403)
    assert response.headers["X-Jitsi-Denial"] in ("token-missing", "room-address-invalid")
    assert listener.observer.preflights == []


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "ext-authz"])
@pytest.mark.parametrize("method", ["options", "Options", " ", "OPTIONS, GET", "OPTION", "GET"])
def test_other_spellings_of_the_method_are_no_preflight(endpoint: str, method: str) -> None:
    listener = DecisionListener(Setup())
    (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, method=method))
    assert (response.status, response.headers["X-Jitsi-Denial"]) == (401, "token-missing")


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "ext-authz"])
def test_method_comes_only_from_the_header_of_the_convention(endpoint: str) -> None:
    target, fields = proxy_request(endpoint, None, SIGNALLING[0])
    own = (CONVENTIONS[endpoint].method_header or b"").decode()
    other = {"x-original-method", "x-forwarded-method"} - {own}
    listener = DecisionListener(Setup())
    for method, more in (("OPTIONS", []), ("GET", [(name, "OPTIONS") for name in other])):
        head = write_head(method, target, [*fields, *more, ORIGIN, ASKS])
        (response,) = receive(listener, head)
        assert response.headers["X-Jitsi-Denial"] == "token-missing"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_preflight_with_a_doubled_header_is_ambiguous(endpoint: str) -> None:
    method = (CONVENTIONS[endpoint].method_header or b"").decode()
    listener = DecisionListener(Setup())
    for doubled in (ORIGIN, ASKS, *([(method, "OPTIONS"), (method, "GET")] if method else [])):
        (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, doubled))
        assert (response.status, response.headers["X-Jitsi-Denial"]) == (
            401,
            "ambiguous-request",
        )
    assert listener.observer.preflights == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "body", [("Content-Length", "1"), ("Content-Length", "10"), ("Transfer-Encoding", "chunked")]
)
def test_preflight_with_a_body_is_denied(endpoint: str, body: Field) -> None:
    listener = DecisionListener(Setup())
    (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, body))
    assert response.headers["X-Jitsi-Denial"] == "token-missing"
    (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, ("Content-Length", "0")))
    assert response.status == 200


def test_preflight_for_a_host_that_is_not_served_is_denied() -> None:
    listener = DecisionListener(Setup(hosts={HOST: {}}))
    for host, status in ((HOST, 200), ("other.example.org", 403)):
        target, fields = proxy_request("auth", None, SIGNALLING[0], host)
        method = ("X-Original-Method", "OPTIONS")
        head = write_head("GET", target, [*fields, method, ORIGIN, ASKS])
        (response,) = receive(listener, head)
        assert response.status == status


def test_request_behind_a_preflight_is_checked() -> None:
    listener = DecisionListener(Setup())
    _, refused, allowed = receive(
        listener,
        ask("auth", ORIGIN, ASKS),
        ask("auth", ORIGIN, method="POST"),
        ask("auth", ORIGIN, ("Authorization", f"Bearer {GOOD}"), method="POST"),
    )
    assert (refused.status, allowed.status) == (401, 200)
    assert allowed.headers["X-Jitsi-Expires"] == str(NOW + 60)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("upgrades", [["websocket"], ["h2c"], ["-", "h2c"], ["-, h2c"]])
def test_preflight_that_asks_for_another_protocol_is_denied(
    endpoint: str, upgrades: list[str]
) -> None:
    name = CONVENTIONS[endpoint].upgrade_header.decode()
    listener = DecisionListener(Setup())
    for room in ("xmpp-websocket?room=standup", "http-bind?room=standup"):
        more = [(name, value) for value in upgrades]
        (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, *more, room=room))
        assert response.headers["X-Jitsi-Denial"] == "token-missing"
    assert listener.observer.preflights == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_preflight_without_an_upgrade_passes(endpoint: str) -> None:
    name = CONVENTIONS[endpoint].upgrade_header.decode()
    listener = DecisionListener(Setup())
    for value in ("-", ""):
        (response,) = receive(listener, ask(endpoint, ORIGIN, ASKS, (name, value)))
        assert response.status == 200

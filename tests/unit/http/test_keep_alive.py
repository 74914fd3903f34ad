"""Keep-alives are checked like other requests, and counted apart."""

from __future__ import annotations

import pytest

from tests.support.decision_listener import DecisionListener, Setup, receive
from tests.support.heads import ENDPOINTS, TOKENS, Field, proxy_request, write_head
from tests.support.sidecar import Start
from verifier.http.original_request import CONVENTIONS
from verifier.http.proxy_auth import ProxyAuthOptions

WEBSOCKET = "xmpp-websocket?room=standup"


def ask(
    endpoint: str,
    room: str = WEBSOCKET,
    upgrade: str | None = "-",
    method: str | None = "GET",
    *more: Field,
    kind: str = "good",
) -> bytes:
    """Return a proxy's request; None for a header that the proxy does not send."""
    target, fields = proxy_request(endpoint, TOKENS[kind], room)
    convention = CONVENTIONS[endpoint]
    if upgrade is not None:
        fields.append((convention.upgrade_header.decode(), upgrade))
    if convention.method_header is not None and method is not None:
        fields.append((convention.method_header.decode(), method))
        method = "HEAD"
    return write_head(method or "GET", target, [*fields, *more])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("room", "upgrade"),
    [
        (WEBSOCKET, "-"),
        (WEBSOCKET, ""),
        ("acme/" + WEBSOCKET, "-"),
        ("_unlock?room=standup", "-"),
        ("_unlock?room=standup", None),
        ("acme/_unlock?room=standup", None),
        ("_unlock", None),
    ],
)
def test_keep_alives_are_counted_apart(endpoint: str, room: str, upgrade: str | None) -> None:
    listener = DecisionListener(Setup())
    request = ask(endpoint, room, upgrade, kind="expired")
    for response in receive(listener, request, request):
        assert response.headers["X-Jitsi-Denial"] == "token-expired"
    assert listener.observer.decisions == [f"{endpoint} token-expired keep-alive"] * 2
    assert [record.get("keep_alive") for record, _, _ in listener.lines.written] == [True] * 2


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("room", "upgrade", "method"),
    [
        (WEBSOCKET, "websocket", "GET"),
        (WEBSOCKET, "WebSocket", "GET"),
        (WEBSOCKET, "h2c, websocket", "GET"),
        (WEBSOCKET, "h2c", "GET"),
        (WEBSOCKET, "none", "GET"),
        (WEBSOCKET, "-, websocket", "GET"),
        (WEBSOCKET, ", websocket", "GET"),
        (WEBSOCKET, None, "GET"),
        (WEBSOCKET, "-", "POST"),
        (WEBSOCKET, "-", "HEAD"),
        ("_unlock?room=standup", "-", "POST"),
        ("http-bind?room=standup", "-", "GET"),
        ("conference-request/v1?room=standup", "-", "GET"),
        ("standup?room=xmpp-websocket", "-", "GET"),
        ("acme/beta/_unlock?room=standup", "-", "GET"),
        ("standup/_unlock/x", "-", "GET"),
    ],
)
def test_other_requests_are_decisions(
    endpoint: str, room: str, upgrade: str | None, method: str
) -> None:
    listener = DecisionListener(Setup())
    receive(listener, ask(endpoint, room, upgrade, method, kind="expired"))
    assert [words.split()[-1] for words in listener.observer.decisions] == ["token-expired"]
    assert "keep_alive" not in listener.lines.written[0][0]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_doubled_information_makes_a_decision(endpoint: str) -> None:
    name = CONVENTIONS[endpoint].upgrade_header.decode()
    listener = DecisionListener(Setup())
    for value in ("-", "websocket"):
        receive(listener, ask(endpoint, WEBSOCKET, "-", "GET", (name, value)))
    assert listener.observer.decisions == [f"{endpoint} allowed"] * 2
    assert len(listener.cache) == 0


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "ext-authz"])
def test_without_the_original_method_a_request_is_a_decision(endpoint: str) -> None:
    listener = DecisionListener(Setup())
    receive(listener, ask(endpoint, method=None), ask(endpoint, "_unlock", method=None))
    assert not [words for words in listener.observer.decisions if "keep-alive" in words]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_upgrade_is_read_only_from_the_header_of_the_convention(endpoint: str) -> None:
    own = CONVENTIONS[endpoint].upgrade_header.decode()
    others = {"x-original-upgrade", "x-forwarded-upgrade", "x-upgrade"} - {own}
    more = [(name, "-") for name in others]
    listener = DecisionListener(Setup())
    receive(listener, ask(endpoint, WEBSOCKET, None, "GET", *more))
    assert listener.observer.decisions == [f"{endpoint} allowed"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_cached_keep_alives_and_decisions_stay_apart(endpoint: str) -> None:
    plain, socket = ask(endpoint), ask(endpoint, upgrade="websocket")
    post = ask(endpoint, method="POST")
    listener = DecisionListener(Setup())
    receive(listener, plain, socket, post, post, socket, plain)
    kinds = [words.split()[1:] for words in listener.observer.decisions]
    expected = [["allowed", "keep-alive"], ["allowed"], ["allowed"]]
    assert kinds == [*expected, *reversed(expected)]
    assert listener.observer.lookups == [False] * 3 + [True] * 3


def test_report_only_mode_reports_keep_alives_apart() -> None:
    listener = DecisionListener(Setup(ProxyAuthOptions(report_only=True)))
    (response,) = receive(listener, ask("auth", kind="expired"))
    assert response.status == 200
    assert listener.observer.decisions == ["auth token-expired reported keep-alive"]


@pytest.mark.parametrize(
    ("token", "outcome"), [("good", "allowed"), ("expired", "denied"), ("other-room", "denied")]
)
async def test_metrics_of_keep_alives_are_no_decisions(
    start: Start, token: str, outcome: str
) -> None:
    sidecar = await start()
    uri = f"/{WEBSOCKET}&token={TOKENS[token]}"
    fields = ("X-Original-Upgrade", "-"), ("X-Original-Method", "GET")
    labels = {"endpoint": "auth", "outcome": outcome}
    assert sidecar.count("keep_alives_total", **labels) == 0
    for _ in range(3):
        await sidecar.nginx(uri, *fields)
    assert sidecar.count("keep_alives_total", **labels) == 3
    for code in ("", "token-expired", "room-mismatch"):
        assert not sidecar.count("decisions_total", **labels, code=code)
    assert sidecar.count("decision_duration_seconds_count", endpoint="auth") == 0
    assert sidecar.count("moderators_total") == 0

"""Pages of other origins, and keep-alives of web clients, through every proxy."""

from __future__ import annotations

import re

import pytest

from tests.support.identity import IDENTITY
from tests.support.processes import free_port, get
from tests.support.raw_http import Answer, Header
from tests.support.tokens import sign
from tests.system.nginx.sites import Sidecar, mint
from tests.system.proxies.gates import REAL_GATES, RealGate

ORIGIN = "https://portal.example.org"
FROM_PORTAL: Header = ("Origin", ORIGIN)
FROM_ELSEWHERE: Header = ("Origin", "https://portal.example.org.evil.example")
PREFLIGHT: Header = ("Access-Control-Request-Method", "POST")
CORS = {"VERIFIER_CORS_ORIGINS": ORIGIN}
BOSH = "/http-bind?room=standup"
CONFERENCE = "/conference-request/v1?room=standup"
WEBSOCKET = "/acme/xmpp-websocket?room=standup"
NO_IDENTITY = dict.fromkeys(IDENTITY, "-") | {
    "X-Jitsi-Moderator": "false",
    "X-Jitsi-Affiliation": "none",
}


def cors_headers(answer: Answer) -> dict[str, list[str]]:
    names = {name.lower() for name in answer.headers}
    found = {name: answer.headers.get_all(name, []) for name in names}
    return {name: values for name, values in found.items() if name.startswith("access-control-")}


READABLE = {
    "access-control-allow-origin": [ORIGIN],
    "access-control-allow-credentials": ["true"],
    "access-control-expose-headers": ["Retry-After, WWW-Authenticate, X-Jitsi-Denial"],
}


@REAL_GATES
def test_denials_can_be_read_by_allowed_origins_only(gate: RealGate) -> None:
    bearer = ("Authorization", f"Bearer {mint(room='other')}")
    with gate.with_options(**CORS):
        for target in (BOSH, CONFERENCE):
            answer = gate.send(target, FROM_PORTAL, bearer, method="POST", body=b"{}")
            assert answer.denial == (401 if target == CONFERENCE else 403, "room-mismatch")
            assert cors_headers(answer) == READABLE
            assert "Origin" in ",".join(answer.headers.get_all("Vary", []))
            for other in (FROM_ELSEWHERE, ("X-Other", "1")):
                answer = gate.send(target, other, bearer, method="POST", body=b"{}")
                assert cors_headers(answer) == {}
    assert cors_headers(gate.send(BOSH, FROM_PORTAL)) == {}


@REAL_GATES
def test_allowed_requests_have_only_the_cors_headers_of_jitsi(gate: RealGate) -> None:
    bearer = ("Authorization", f"Bearer {mint()}")
    with gate.with_options(**CORS):
        preflight = gate.send(BOSH, FROM_PORTAL, PREFLIGHT, method="OPTIONS")
        allowed = gate.send(BOSH, FROM_PORTAL, bearer, method="POST", body=b"<body/>")
    for answer in (preflight, allowed):
        assert (answer.status, cors_headers(answer)) == (200, {})


@REAL_GATES
def test_preflight_carries_no_identity(gate: RealGate) -> None:
    forged = [(name, "forged") for name in IDENTITY]
    target = f"{BOSH}&token={mint()}"
    for _ in range(2):  # nginx caches allows
        assert gate.send(target, FROM_PORTAL, method="OPTIONS").status == 200
        before = len(gate.upstream.requests)
        assert gate.send(target, FROM_PORTAL, PREFLIGHT, *forged, method="OPTIONS").status == 200
        (forwarded,) = gate.upstream.requests[before:]
        identity = {name: forwarded.values(name) for name in IDENTITY}
        assert identity == {name: [value] for name, value in NO_IDENTITY.items()}
        assert forwarded.values("Origin") == [ORIGIN]
        assert forwarded.values("Access-Control-Request-Method") == ["POST"]


@REAL_GATES
@pytest.mark.parametrize("protocol", ["websocket", "h2c", "-"])
def test_preflight_cannot_change_the_protocol(gate: RealGate, protocol: str) -> None:
    before = len(gate.upstream.requests)
    upgrade = [("Upgrade", protocol), ("Connection", "Upgrade")]
    for target in (WEBSOCKET, BOSH):
        answer = gate.send(target, FROM_PORTAL, PREFLIGHT, *upgrade, method="OPTIONS")
        # HAProxy refuses a websocket without a key. Envoy, and HAProxy 3, remove an Upgrade that
        # they do not serve, and what is left is a preflight.
        assert answer.status in {400, 401} or gate.name in {"envoy", "haproxy"}
    assert not [r for r in gate.upstream.requests[before:] if r.values("Upgrade")]


@pytest.mark.parametrize("gate", ["nginx", "caddy", "haproxy"], indirect=True)
def test_unavailable_keys_can_be_read_by_allowed_origins(gate: RealGate) -> None:
    """Envoy replaces every 5xx by a page of its own."""
    closed = f"http://127.0.0.1:{free_port()}/asap"
    bearer = ("Authorization", f"Bearer {sign({'iss': 'x'}, {'kid': 'k', 'alg': 'RS256'})}")
    with gate.with_options(JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=closed, **CORS):
        answer = gate.send(BOSH, FROM_PORTAL, bearer, method="POST", body=b"<body/>")
    assert answer.denial == (503, "keys-unavailable")
    assert cors_headers(answer) == READABLE


def counted(service: Sidecar, outcome: str = "denied") -> tuple[int, int]:
    """Return the numbers of keep-alives and of decisions with this outcome."""
    text = get(service.admin_port, "/metrics").body

    def total(name: str) -> int:
        lines = re.findall(
            rf"^jitsi_verifier_{name}{{.*outcome=\"{outcome}\".*}} (.*)$", text, re.MULTILINE
        )
        return int(sum(map(float, lines)))

    return total("keep_alives_total"), total("decisions_total")


@REAL_GATES
def test_keep_alives_are_counted_apart(gate: RealGate) -> None:
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    upgrade += [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]
    forged = [
        (f"{start}-{name}", "-")
        for start in ("X-Original", "X-Forwarded")
        for name in ("Upgrade", "Method")
    ]
    token = mint(room="other")
    with gate.with_options() as service:
        assert gate.send(f"{WEBSOCKET}&token={token}").denial == (403, "room-mismatch")
        assert gate.send(WEBSOCKET).denial == (401, "token-missing")
        assert counted(service) == (2, 0)
        for target in (f"{WEBSOCKET}&token={token}", WEBSOCKET):
            assert gate.send(target, *upgrade).status in {401, 403}
            assert gate.send(target, *upgrade, *forged).status in {401, 403}
        assert gate.send(WEBSOCKET, method="POST", body=b"x").status == 401
        assert gate.send(BOSH, *forged).status == 401
        assert counted(service) == (2, 6)


@REAL_GATES
def test_upgrade_for_the_service_does_not_reach_jitsi(gate: RealGate) -> None:
    forged = ("X-Forwarded-Upgrade", "forged"), ("X-Original-Upgrade", "forged")
    forwarded = gate.forwarded(f"{BOSH}&token={mint()}", *forged)
    assert "forged" not in str(forwarded.headers)


@REAL_GATES
def test_request_with_an_upgrade_is_no_keep_alive(gate: RealGate) -> None:
    """Prosody opens a websocket whatever the value of Upgrade is."""
    spellings = [["WebSocket"], ["h2c, websocket"], ["h2c"], ["x", "websocket"], ["", "websocket"]]
    spellings += [["-"], ["-", "-"], ["-", "websocket"]]
    with gate.with_options() as service:
        for values in spellings:
            before, arrived = counted(service, "allowed")[0], len(gate.upstream.requests)
            upgrade = [*(("Upgrade", value) for value in values), ("Connection", "Upgrade")]
            gate.send(f"{WEBSOCKET}&token={mint()}", *upgrade)
            # Some proxies remove an Upgrade that they do not serve: then it is a keep-alive.
            if any(any(r.values("Upgrade")) for r in gate.upstream.requests[arrived:]):
                assert counted(service, "allowed")[0] == before, values

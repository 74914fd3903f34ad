"""Every proxy in operation: upgrades, few connections, a sidecar that goes and comes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from tests.support.processes import client_ports, free_port
from tests.support.raw_http import send_all
from tests.support.tokens import sign
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import mint
from tests.system.proxies.cases import CASES
from tests.system.proxies.gates import REAL_GATES, RealGate
from tests.system.proxies.programs import HOST
from verifier.http.responses import identity_headers
from verifier.rules.model import Allow

NOBODY = dict.fromkeys(identity_headers(Allow(), None), "-")
NOBODY |= {"X-Jitsi-Moderator": "false", "X-Jitsi-Affiliation": "none"}
FRAME = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"


@asynccontextmanager
async def connected(gate: RealGate, target: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Upgrade through the proxy, as Jitsi's client does."""
    url = URL(f"http://127.0.0.1:{gate.proxy.port}{target}", encoded=True)
    headers = {"Host": HOST, "X-Jitsi-Moderator": "forged"}
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, headers=headers, protocols=("xmpp",)) as websocket,
    ):
        yield websocket


async def check_conversation(websocket: aiohttp.ClientWebSocketResponse) -> None:
    await websocket.send_str(FRAME)
    assert await websocket.receive_str() == FRAME


@REAL_GATES
async def test_an_allowed_upgrade_becomes_a_conversation(gate: RealGate) -> None:
    target = f"/acme/xmpp-websocket?room=standup&token={mint()}"
    async with connected(gate, target) as websocket:
        forwarded = RecordedRequest.from_json(json.loads(await websocket.receive_str()))
        await check_conversation(websocket)
        assert websocket.protocol == "xmpp"
    assert forwarded.target == target
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert forwarded.values("X-Jitsi-Tenant") == ["acme"]


@REAL_GATES
@pytest.mark.parametrize(
    ("room", "status", "code"), [(None, 401, "token-missing"), ("other", 403, "room-mismatch")]
)
async def test_a_refused_upgrade_reaches_nobody(
    gate: RealGate, room: str | None, status: int, code: str
) -> None:
    before = len(gate.upstream.requests)
    token = f"&token={mint(room=room)}" if room else ""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(gate, f"/xmpp-websocket?room=standup{token}"):
            pass
    assert refused.value.status == status
    assert refused.value.headers is not None
    assert refused.value.headers["X-Jitsi-Denial"] == code
    assert len(gate.upstream.requests) == before


@REAL_GATES
async def test_the_media_bridge_upgrades_without_a_token(gate: RealGate) -> None:
    async with connected(gate, "/colibri-ws/default-id/abc?pwd=x") as websocket:
        forwarded = RecordedRequest.from_json(json.loads(await websocket.receive_str()))
        await check_conversation(websocket)
    assert forwarded.values("X-Jitsi-Moderator") == []


@REAL_GATES
async def test_a_conversation_outlives_the_sidecar(gate: RealGate) -> None:
    async with connected(gate, f"/xmpp-websocket?room=standup&token={mint()}") as websocket:
        await websocket.receive_str()
        gate.sidecar.stop()
        await check_conversation(websocket)
        gate.sidecar.start()
        await check_conversation(websocket)


@REAL_GATES
def test_questions_share_a_few_connections(gate: RealGate) -> None:
    targets = [f"/standup?jwt={mint()}", "/standup", f"/other?jwt={mint()}", "/config.js"]
    before = client_ports(gate.sidecar.port)
    answers = send_all(gate.proxy.port, targets * 25)
    assert [answer.status for answer in answers[:4]] == [200, 401, 403, 200]
    for _ in range(10):
        gate.ask("/http-bind?room=standup", method="POST", body=b"<body/>")
    assert len(client_ports(gate.sidecar.port) - before) <= 4


@REAL_GATES
def test_a_sidecar_that_is_down_closes_the_gate_until_it_is_back(gate: RealGate) -> None:
    token = mint(jti="of-this-test")  # nginx remembers whom it has let in before
    allowed = [f"/standup?jwt={token}", f"/http-bind?room=standup&token={token}"]
    gate.sidecar.stop()
    before = len(gate.upstream.requests)
    for target in (*allowed, "/standup"):
        assert 500 <= gate.ask(target).status <= 599
    assert len(gate.upstream.requests) == before
    assert gate.ask("/config.js").status == 200
    gate.sidecar.start()
    for target in allowed:
        assert gate.ask(target).status == 200


@REAL_GATES
def test_guests_are_let_in_where_that_is_allowed(gate: RealGate) -> None:
    with gate.instead(JWT_ALLOW_EMPTY="1"):
        forwarded = gate.forwarded("/http-bind?room=standup", ("X-Jitsi-Moderator", "true"))
        refusal = gate.ask("/standup?jwt=a.b.c").denial
    assert forwarded.values("X-Jitsi-Affiliation") == ["none"]
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert refusal == (401, "token-malformed")


@REAL_GATES
def test_in_report_only_mode_nobody_is_refused_and_nobody_has_a_name(gate: RealGate) -> None:
    forged = [("X-Jitsi-Moderator", "true"), ("X-Jitsi-User-Id", "root")]
    refused = [case.signed() for case in CASES.values() if case.refused not in (None, (0, ""))]
    assert len(refused) > 20
    with gate.instead(VERIFIER_MODE="report-only"):
        for case in refused:
            forwarded = gate.forwarded(case.target, *case.headers, *forged)
            assert case.refused is not None
            assert forwarded.values("X-Jitsi-Would-Deny") == [case.refused[1]], case.name
            named = {name: forwarded.values(name) for name in NOBODY}
            assert named == {name: [value] for name, value in NOBODY.items()}, case.name


@REAL_GATES
def test_in_report_only_mode_unavailable_keys_refuse_nobody(gate: RealGate) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/asap"
    token = sign({"iss": "x"}, {"kid": "of-nobody", "alg": "RS256"})
    options = {"JWT_APP_SECRET": "", "JWT_ASAP_KEYSERVER": nobody, "VERIFIER_MODE": "report-only"}
    with gate.instead(**options):
        forwarded = gate.forwarded(f"/standup?jwt={token}")
    assert forwarded.values("X-Jitsi-Would-Deny") == ["keys-unavailable"]


@REAL_GATES
def test_keys_that_cannot_be_fetched_are_a_503(gate: RealGate) -> None:
    """Envoy makes a page of its own of every 5xx, without the code."""
    nobody = f"http://127.0.0.1:{free_port()}/asap"
    token = sign({"iss": "x"}, {"kid": "of-nobody", "alg": "RS256"})
    with gate.instead(JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=nobody):
        answer = gate.ask(f"/standup?jwt={token}")
    told = answer.denial[1], answer.headers["Retry-After"]
    assert answer.status == 503
    assert told == ((None, None) if gate.name == "envoy" else ("keys-unavailable", "5"))

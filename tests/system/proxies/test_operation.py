"""Every proxy in operation: upgrades, connections, and a restart of the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from tests.support.processes import client_ports, free_port, wait_until
from tests.support.raw_http import send_all
from tests.support.tokens import sign
from tests.support.upstream import RecordedRequest
from tests.support.waiting_keys import waiting_key_server
from tests.system.nginx.sites import mint
from tests.system.proxies.cases import CASES
from tests.system.proxies.gates import REAL_GATES, RealGate
from tests.system.proxies.programs import HOST
from verifier.http.identity import identity_headers
from verifier.rules.model import Allow

NO_IDENTITY = dict.fromkeys(identity_headers(Allow(), None), "-")
NO_IDENTITY |= {"X-Jitsi-Moderator": "false", "X-Jitsi-Affiliation": "none"}
FRAME = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"


@asynccontextmanager
async def connected(gate: RealGate, target: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a WebSocket through the proxy, as Jitsi's client does."""
    url = URL(f"http://127.0.0.1:{gate.proxy.port}{target}", encoded=True)
    headers = {"Host": HOST, "X-Jitsi-Moderator": "forged"}
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, headers=headers, protocols=("xmpp",)) as websocket,
    ):
        yield websocket


async def check_echo(websocket: aiohttp.ClientWebSocketResponse) -> None:
    await websocket.send_str(FRAME)
    assert await websocket.receive_str() == FRAME


@REAL_GATES
async def test_allowed_upgrade_connects_to_the_upstream(gate: RealGate) -> None:
    target = f"/acme/xmpp-websocket?room=standup&token={mint()}"
    async with connected(gate, target) as websocket:
        forwarded = RecordedRequest.from_json(json.loads(await websocket.receive_str()))
        await check_echo(websocket)
        assert websocket.protocol == "xmpp"
    assert forwarded.target == target
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert forwarded.values("X-Jitsi-Tenant") == ["acme"]


@REAL_GATES
@pytest.mark.parametrize(
    ("room", "status", "code"), [(None, 401, "token-missing"), ("other", 403, "room-mismatch")]
)
async def test_denied_upgrade_does_not_reach_the_upstream(
    gate: RealGate, room: str | None, status: int, code: str
) -> None:
    before = len(gate.upstream.requests)
    token = f"&token={mint(room=room)}" if room else ""
    with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
        async with connected(gate, f"/xmpp-websocket?room=standup{token}"):
            pass
    assert denied.value.status == status
    assert denied.value.headers is not None
    assert denied.value.headers["X-Jitsi-Denial"] == code
    assert len(gate.upstream.requests) == before


@REAL_GATES
async def test_media_bridge_upgrade_needs_no_token(gate: RealGate) -> None:
    async with connected(gate, "/colibri-ws/default-id/abc?pwd=x") as websocket:
        forwarded = RecordedRequest.from_json(json.loads(await websocket.receive_str()))
        await check_echo(websocket)
    assert forwarded.values("X-Jitsi-Moderator") == []


@REAL_GATES
async def test_open_websocket_outlives_the_service(gate: RealGate) -> None:
    async with connected(gate, f"/xmpp-websocket?room=standup&token={mint()}") as websocket:
        await websocket.receive_str()
        gate.sidecar.stop()
        await check_echo(websocket)
        gate.sidecar.start()
        await check_echo(websocket)


@REAL_GATES
def test_auth_requests_share_few_connections(gate: RealGate) -> None:
    targets = [f"/standup?jwt={mint()}", "/standup", f"/other?jwt={mint()}", "/config.js"]
    before = client_ports(gate.sidecar.port)
    answers = send_all(gate.proxy.port, targets * 25)
    assert [answer.status for answer in answers[:4]] == [200, 401, 403, 200]
    for _ in range(10):
        gate.send("/http-bind?room=standup", method="POST", body=b"<body/>")
    assert len(client_ports(gate.sidecar.port) - before) <= 4


@REAL_GATES
def test_unavailable_service_denies_until_it_restarts(gate: RealGate) -> None:
    token = mint(jti="new")  # a new token: nginx has no cached decision for it
    allowed = [f"/standup?jwt={token}", f"/http-bind?room=standup&token={token}"]
    gate.sidecar.stop()
    before = len(gate.upstream.requests)
    for target in (*allowed, "/standup"):
        assert 500 <= gate.send(target).status <= 599
    assert len(gate.upstream.requests) == before
    assert gate.send("/config.js").status == 200
    gate.sidecar.start()
    for target in allowed:
        assert gate.send(target).status == 200


@REAL_GATES
def test_death_of_a_worker_costs_no_request(gate: RealGate) -> None:
    """The proxy asks again: the request waits for a key when its worker is killed."""
    token = sign({"iss": "x"}, {"kid": "unknown", "alg": "RS256"})
    options = {"VERIFIER_WORKERS": "2", "VERIFIER_KEY_FETCH_TIMEOUT": "14", "JWT_APP_SECRET": ""}
    with (
        ThreadPoolExecutor() as pool,
        waiting_key_server() as keys,
        gate.with_options(**options, **keys.environ) as service,
    ):
        answer = pool.submit(gate.send, f"/standup?jwt={token}")
        wait_until(lambda: len(keys.requests) == 1, "a request that waits for its key")
        service.kill_workers()
        wait_until(lambda: len(keys.requests) == 2, "the same request, asked again")
        keys.answer.set()
        assert answer.result().denial == (401, "key-unknown")


@REAL_GATES
def test_guests_are_allowed_by_option(gate: RealGate) -> None:
    with gate.with_options(JWT_ALLOW_EMPTY="1"):
        forwarded = gate.forwarded("/http-bind?room=standup", ("X-Jitsi-Moderator", "true"))
        denial = gate.send("/standup?jwt=a.b.c").denial
    assert forwarded.values("X-Jitsi-Affiliation") == ["none"]
    assert forwarded.values("X-Jitsi-Moderator") == ["false"]
    assert denial == (401, "token-malformed")


@REAL_GATES
def test_report_only_mode_allows_without_identity(gate: RealGate) -> None:
    forged = [("X-Jitsi-Moderator", "true"), ("X-Jitsi-User-Id", "root")]
    denied = [case.signed() for case in CASES.values() if case.denial not in (None, (0, ""))]
    assert len(denied) > 20
    with gate.with_options(VERIFIER_MODE="report-only"):
        for case in denied:
            forwarded = gate.forwarded(case.target, *case.headers, *forged)
            assert case.denial is not None
            assert forwarded.values("X-Jitsi-Would-Deny") == [case.denial[1]], case.name
            identity = {name: forwarded.values(name) for name in NO_IDENTITY}
            assert identity == {name: [value] for name, value in NO_IDENTITY.items()}, case.name


@REAL_GATES
def test_report_only_mode_allows_with_unavailable_keys(gate: RealGate) -> None:
    closed = f"http://127.0.0.1:{free_port()}/asap"
    token = sign({"iss": "x"}, {"kid": "unknown", "alg": "RS256"})
    options = {"JWT_APP_SECRET": "", "JWT_ASAP_KEYSERVER": closed, "VERIFIER_MODE": "report-only"}
    with gate.with_options(**options):
        forwarded = gate.forwarded(f"/standup?jwt={token}")
    assert forwarded.values("X-Jitsi-Would-Deny") == ["keys-unavailable"]


@REAL_GATES
def test_unavailable_keys_give_a_503(gate: RealGate) -> None:
    """Envoy replaces every 5xx by a page of its own, without the denial code."""
    closed = f"http://127.0.0.1:{free_port()}/asap"
    token = sign({"iss": "x"}, {"kid": "unknown", "alg": "RS256"})
    with gate.with_options(JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=closed):
        answer = gate.send(f"/standup?jwt={token}")
    code_and_retry = answer.denial[1], answer.headers["Retry-After"]
    assert answer.status == 503
    assert code_and_retry == ((None, None) if gate.name == "envoy" else ("keys-unavailable", "5"))
    if gate.name != "haproxy":  # which has no pages
        assert f'data-retry="{"-" if gate.name == "envoy" else "5"}"' in answer.text

"""Through every proxy, a request that is hidden in another one does not reach Jitsi."""

from __future__ import annotations

from contextlib import suppress

from tests.integration.attack.forms import HIDDEN, SMUGGLED
from tests.integration.attack.good_requests import GoodRequest
from tests.integration.attack.raw import connect, exchange, statuses
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import REAL_GATES, RealGate
from tests.system.proxies.programs import HOST

# Seconds. Answers take a few milliseconds. A request that arrives later is still recorded.
SILENCE = 0.1
BEHIND_PROXIES = b"GET /a HTTP/1.1\r\nHost: meet.example.org\r\n\r\n"  # a room page without a token


def good_request(method: str, body: bytes) -> GoodRequest:
    target = f"/acme/http-bind?room=standup&token={mint()}"
    return GoodRequest(method, target, (("Host", HOST),), method, body)


def until_silent(port: int, request: bytes) -> bytes:
    """Return the answers until the proxy closes the connection or waits for more input."""
    received = b""
    with connect(port, SILENCE) as client, suppress(ConnectionError, TimeoutError):
        client.sendall(request)
        while part := client.recv(65_536):
            received += part
    return received


@REAL_GATES
def test_hidden_requests_do_not_reach_jitsi(gate: RealGate) -> None:
    allowed = [good_request("GET", b""), good_request("POST", b"<body/>")]
    for request in allowed:
        assert 200 in statuses(exchange(gate.proxy.port, request.whole(b"Connection: close")))
    assert len(BEHIND_PROXIES) == len(HIDDEN)
    before = len(gate.upstream.requests)
    for form in SMUGGLED.values():
        for request in allowed:
            until_silent(gate.proxy.port, form(request).replace(HIDDEN, BEHIND_PROXIES))
    arrived = {forwarded.target for forwarded in gate.upstream.requests[before:]}
    assert arrived <= {request.target for request in allowed}

"""The same cases through every proxy with its shipped files.

nginx, Caddy, Envoy and HAProxy are real; Traefik is in ``test_other_gates``. The auth requests of
ingress-nginx are sent to the service directly. At the end, every log is searched for tokens.
"""

from __future__ import annotations

import re
import socket

import pytest

from tests.support.processes import wait_until
from tests.support.token_urls import urls_with_token
from tests.system.nginx.sites import mint
from tests.system.proxies.cases import CASES, COOKIE, PUBLIC_TARGETS, Case
from tests.system.proxies.gates import ALL_GATES, REAL_GATES, RealGate, SimulatedGate
from tests.system.proxies.programs import HOST


@ALL_GATES
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_case_has_the_expected_outcome(gate: RealGate | SimulatedGate, case: Case) -> None:
    gate.check(case)


@REAL_GATES
@pytest.mark.parametrize("target", PUBLIC_TARGETS)
def test_public_targets_need_no_token(gate: RealGate, target: str) -> None:
    log = gate.sidecar.log.read_text()
    forwarded = gate.forwarded(target, ("X-Jitsi-Room", "forged"), ("X_Jitsi_Room", "forged"))
    assert forwarded.target == target
    assert forwarded.values("X-Jitsi-Room") == []
    assert gate.sidecar.log.read_text() == log


@REAL_GATES
def test_denial_shows_its_code_and_is_not_cached(gate: RealGate) -> None:
    for target, status, code in (
        ("/standup", 401, "token-missing"),
        (f"/other?jwt={mint()}", 403, "room-mismatch"),
    ):
        answer = gate.send(target)
        assert answer.denial == (status, code)
        assert code in answer.text
        assert answer.headers["Cache-Control"] == "no-store"


@REAL_GATES
def test_denied_token_gets_a_challenge_with_the_reason(gate: RealGate) -> None:
    assert gate.send("/standup").headers["WWW-Authenticate"] == 'Bearer realm="jitsi"'
    answer = gate.send(f"/standup?jwt={mint(exp=1_500_000_000)}")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@REAL_GATES
def test_pages_send_no_referrer(gate: RealGate) -> None:
    for target in (f"/standup?jwt={mint()}", "/standup", f"/other?jwt={mint()}"):
        assert gate.send(target).headers.get_all("Referrer-Policy") == ["no-referrer"]


@REAL_GATES
def test_trailer_is_not_read_as_the_next_request(gate: RealGate) -> None:
    allowed = f"/standup?jwt={mint()}"
    names = ("X-Original-URI", "X-Forwarded-Uri", "X-Original-URL")
    trailers = "".join(f"{name}: {allowed}\r\n" for name in names)
    head = f"POST /http-bind?room=standup HTTP/1.1\r\nHost: {HOST}\r\n"
    chunked = f"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailers}\r\n"
    with socket.create_connection(("127.0.0.1", gate.proxy.port), timeout=20) as connection:
        connection.sendall((head + chunked).encode())
        assert connection.recv(12) == b"HTTP/1.1 401"
    assert gate.send("/standup").denial == (401, "token-missing")


@REAL_GATES
def test_denial_has_the_same_request_id_in_both_logs(gate: RealGate) -> None:
    gate.send("/find-me")
    (line,) = re.findall(r".*find-me.*", gate.sidecar.log.read_text())
    (request_id,) = re.findall(r'"request_id": ?"([0-9a-f-]{32,36})"', line)
    wait_until(lambda: gate.logs().count(request_id) > 1, "the request id in the log of the proxy")


@REAL_GATES
def test_logs_contain_no_token(gate: RealGate) -> None:
    token = mint(jti="marked")
    targets = urls_with_token(token)
    headers = [("Referer", f"https://x/?jwt={token}"), ("Cookie", f"{COOKIE}={token}")]
    bearer = ("Authorization", f"Bearer {token}")
    for target in targets:
        gate.send(target)
        gate.send(target, bearer, *headers)
    gate.sidecar.stop()
    other = ("Sec-Fetch-Dest", "empty")  # nginx has no cached decision for such a request
    for target in targets:
        assert gate.send(target, bearer, other, *headers).status != 200 or "/libs/" in target
    gate.proxy.stop()
    logs = gate.logs()
    assert '"denied"' in logs
    assert re.search(r"GET.*/standup[^?]* 200|/standup\".*\"status\":200", logs)
    for part in token.split("."):
        assert part not in logs

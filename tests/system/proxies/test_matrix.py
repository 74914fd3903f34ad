"""One matrix through every proxy: the files that are shipped, run as they are.

Real are nginx, Caddy, Envoy and HAProxy. Traefik's and ingress-nginx's questions are put to the
sidecar. At last every log is searched for tokens.
"""

from __future__ import annotations

import re
import socket

import pytest

from tests.support.processes import wait_until
from tests.system.nginx.sites import mint
from tests.system.proxies.cases import CASES, COOKIE, STATIC, Case
from tests.system.proxies.gates import ALL_GATES, REAL_GATES, RealGate, ReproducedGate
from tests.system.proxies.programs import HOST


@ALL_GATES
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_case_has_this_outcome(gate: RealGate | ReproducedGate, case: Case) -> None:
    gate.check(case)


@REAL_GATES
@pytest.mark.parametrize("target", STATIC)
def test_what_everybody_may_fetch_is_not_gated(gate: RealGate, target: str) -> None:
    asked = gate.sidecar.log.read_text()
    forwarded = gate.forwarded(target, ("X-Jitsi-Room", "forged"), ("X_Jitsi_Room", "forged"))
    assert forwarded.target == target
    assert forwarded.values("X-Jitsi-Room") == []
    assert gate.sidecar.log.read_text() == asked


@REAL_GATES
def test_a_refusal_shows_its_code_and_is_never_kept(gate: RealGate) -> None:
    for target, status, code in (
        ("/standup", 401, "token-missing"),
        (f"/other?jwt={mint()}", 403, "room-mismatch"),
    ):
        answer = gate.ask(target)
        assert answer.denial == (status, code)
        assert code in answer.text
        assert answer.headers["Cache-Control"] == "no-store"


@REAL_GATES
def test_a_refused_token_is_challenged_with_the_reason(gate: RealGate) -> None:
    assert gate.ask("/standup").headers["WWW-Authenticate"] == 'Bearer realm="jitsi"'
    answer = gate.ask(f"/standup?jwt={mint(exp=1_500_000_000)}")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@REAL_GATES
def test_no_page_tells_another_site_its_url(gate: RealGate) -> None:
    for target in (f"/standup?jwt={mint()}", "/standup", f"/other?jwt={mint()}"):
        assert gate.ask(target).headers.get_all("Referrer-Policy") == ["no-referrer"]


@REAL_GATES
def test_a_trailer_is_never_the_next_question(gate: RealGate) -> None:
    opened = f"/standup?jwt={mint()}"
    names = ("X-Original-URI", "X-Forwarded-Uri", "X-Original-URL")
    trailers = "".join(f"{name}: {opened}\r\n" for name in names)
    head = f"POST /http-bind?room=standup HTTP/1.1\r\nHost: {HOST}\r\n"
    chunked = f"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailers}\r\n"
    with socket.create_connection(("127.0.0.1", gate.proxy.port), timeout=20) as connection:
        connection.sendall((head + chunked).encode())
        assert connection.recv(12) == b"HTTP/1.1 401"
    assert gate.ask("/standup").denial == (401, "token-missing")


@REAL_GATES
def test_a_refusal_is_found_by_its_id_in_both_logs(gate: RealGate) -> None:
    gate.ask("/find-me")
    (line,) = re.findall(r".*find-me.*", gate.sidecar.log.read_text())
    (request_id,) = re.findall(r'"request_id": ?"([0-9a-f-]{32,36})"', line)
    wait_until(lambda: gate.logs().count(request_id) > 1, "the proxy's own line")


@REAL_GATES
def test_no_log_holds_a_token(gate: RealGate) -> None:
    token = mint(jti="marked")
    targets = [
        f"/standup?jwt={token}",
        f"/other?token={token}",
        f"/standup?jwt={token}x",
        f"/a/b/c?jwt={token}",
        f"/libs/none.js?jwt={token}",
        f"/%zz?jwt={token}",
        f"/standup%3Fjwt={token}",
        f"/standup%3fjwt={token}",
        f"/standup%253Fjwt={token}",
        f"/standup%23jwt=%22{token}%22",
        f"/standup&jwt={token}",
        f"/standup;jwt={token}",
        f"/standup%ef%bc%9fjwt={token}",
        f"/{token}",
        f"/standup?jwt={token}{'x' * 9_000}",
        f"/standup?jwt={token}{'x' * 40_000}",
        f"/standup?jwt={token} x",
    ]
    elsewhere = [("Referer", f"https://x/?jwt={token}"), ("Cookie", f"{COOKIE}={token}")]
    bearer = ("Authorization", f"Bearer {token}")
    for target in targets:
        gate.ask(target)
        gate.ask(target, bearer, *elsewhere)
    gate.sidecar.stop()
    other = ("Sec-Fetch-Dest", "empty")  # a question whose answer nginx does not remember
    for target in targets:
        assert gate.ask(target, bearer, other, *elsewhere).status != 200 or "/libs/" in target
    gate.proxy.stop()
    logs = gate.logs()
    assert '"denied"' in logs
    assert re.search(r"GET.*/standup[^?]* 200|/standup\".*\"status\":200", logs)
    for part in token.split("."):
        assert part not in logs

"""Traefik and the resources of ``contrib/kubernetes``: the cases that every gate passes."""

from __future__ import annotations

from tests.support.identity import EXPIRES, IDENTITY, NOT_FORWARDED, SPELLINGS
from tests.support.token_urls import urls_with_token
from tests.system.nginx.sites import mint
from tests.system.proxies.cases import CASES, HIDDEN_SIGNALLING, PUBLIC_TARGETS
from tests.system.proxies.gates import OTHER_GATES, RealGate

# These proxies resolve dots and backslashes themselves, before they ask: the verifier and Jitsi
# both get the room whose token it is.
RESOLVED = {"hostile: a backslash", "hostile: another tenant's room by dots"}
BOSH = "/acme/http-bind?room=standup&token="


@OTHER_GATES
def test_cases_have_the_expected_outcomes(gate: RealGate) -> None:
    for name in CASES.keys() - RESOLVED:
        gate.check(CASES[name])


@OTHER_GATES
def test_public_targets_need_no_token(gate: RealGate) -> None:
    log = gate.sidecar.log.read_text()
    for target in PUBLIC_TARGETS:
        forwarded = gate.forwarded(target, *((spell("X-Jitsi-Room"), "x") for spell in SPELLINGS))
        assert forwarded.target == target
        assert "jitsi" not in str([name for name, _ in forwarded.headers]).lower()
    assert gate.sidecar.log.read_text() == log


@OTHER_GATES
def test_no_public_path_leads_to_signalling(gate: RealGate) -> None:
    before = len(gate.upstream.requests)
    statuses = {gate.send(target).status for target in HIDDEN_SIGNALLING}
    assert [request.target for request in gate.upstream.requests[before:]] == []
    assert statuses <= {400, 401, 403, 404}


@OTHER_GATES
def test_identity_headers_come_only_from_the_verifier(gate: RealGate) -> None:
    for spell in SPELLINGS:
        forged = [(spell(name), "forged") for name in (*IDENTITY, *NOT_FORWARDED)]
        forwarded = gate.forwarded(BOSH + mint(exp=EXPIRES), *forged)
        assert {name: forwarded.values(name) for name in IDENTITY} == {
            name: [value] for name, value in IDENTITY.items()
        }
        assert "forged" not in str(forwarded.headers)
        assert gate.send("/http-bind?room=standup", *forged).denial == (401, "token-missing")


@OTHER_GATES
def test_preflight_cannot_become_a_websocket(gate: RealGate) -> None:
    preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")]
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    before = len(gate.upstream.requests)
    answer = gate.send("/xmpp-websocket?room=standup", *preflight, *upgrade, method="OPTIONS")
    assert answer.status in {400, 401}
    assert gate.upstream.requests[before:] == []


@OTHER_GATES
def test_every_response_forbids_referrers(gate: RealGate) -> None:
    for target in (f"/standup?jwt={mint()}", "/standup", "/config.js"):
        assert gate.send(target).headers.get_all("Referrer-Policy") == ["no-referrer"]


@OTHER_GATES
def test_nothing_passes_while_the_verifier_is_away(gate: RealGate) -> None:
    token = mint(jti="away")
    gate.sidecar.stop()
    before = len(gate.upstream.requests)
    for target in (*urls_with_token(token), BOSH + token):
        assert gate.send(target).status in {400, 401, 403, 500, 502, 503} or "/libs/" in target
    assert all("/libs/" in request.target for request in gate.upstream.requests[before:])
    gate.sidecar.start()
    assert gate.send(BOSH + token).status == 200

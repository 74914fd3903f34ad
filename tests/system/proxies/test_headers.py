"""Through every proxy, identity headers come from the service only, never from a client.

A client may tell the service the target, its host and method, and the token, and nothing else.
"""

from __future__ import annotations

from tests.support.identity import EXPIRES, IDENTITY, NOT_FORWARDED, SPELLINGS
from tests.support.raw_http import Header
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import REAL_GATES, RealGate
from tests.system.proxies.programs import HOST

FORGED = [
    [(spelling(name), "forged") for name in (*IDENTITY, *NOT_FORWARDED)] for spelling in SPELLINGS
]
"""Every header, one list for each spelling: some proxies reject a request with all of them."""


def conventions(value: str) -> list[Header]:
    """Return every header in which some proxy sends the original request, with this value."""
    names = ["X-Original-URI", "X-Original-URL", "X-Original-Method", "X-Rewrite-URL"]
    names += ["X-Forwarded-Uri", "X-Forwarded-Method"]
    return [(spelling, value) for name in names for spelling in (name, name.replace("-", "_"))]


def identity(forwarded: RecordedRequest) -> dict[str, list[str]]:
    return {name: forwarded.values(name) for name in (*IDENTITY, *NOT_FORWARDED)}


def target_with(**claims: object) -> str:
    return f"/acme/http-bind?room=standup&token={mint(exp=EXPIRES, **claims)}"


EXPECTED = {name: [value] for name, value in IDENTITY.items()} | {
    name: [] for name in NOT_FORWARDED
}


@REAL_GATES
def test_jitsi_gets_every_identity_header_once(gate: RealGate) -> None:
    assert identity(gate.forwarded(target_with())) == EXPECTED


@REAL_GATES
def test_client_values_of_identity_headers_never_arrive(gate: RealGate) -> None:
    for headers in FORGED:
        forwarded = gate.forwarded(target_with(), *headers, *headers)
        assert identity(forwarded) == EXPECTED
        assert "forged" not in str(forwarded.headers)


@REAL_GATES
def test_identity_headers_are_removed_from_public_targets_too(gate: RealGate) -> None:
    for headers in FORGED:
        assert "forged" not in str(gate.forwarded("/config.js", *headers).headers)


@REAL_GATES
def test_connection_header_cannot_remove_identity_headers(gate: RealGate) -> None:
    """``Connection`` lists headers that the next program removes (RFC 9110, section 7.6.1)."""
    named = ("Connection", "keep-alive, X-Jitsi-Moderator, X-Jitsi-Room")
    forwarded = gate.forwarded(target_with(), named)
    assert identity(forwarded) == EXPECTED
    assert "jitsi" not in "".join(forwarded.values("Connection")).lower()


@REAL_GATES
def test_forged_identity_without_token_is_denied(gate: RealGate) -> None:
    for headers in FORGED:
        assert gate.send("/http-bind?room=standup", *headers).denial == (401, "token-missing")


@REAL_GATES
def test_headers_of_other_conventions_change_no_decision(gate: RealGate) -> None:
    allowed = f"/standup?jwt={mint()}"
    for value in (allowed, f"https://meet.example.org{allowed}"):
        assert gate.send("/other", *conventions(value)).denial == (401, "token-missing")
        answer = gate.send(f"/other?jwt={mint()}", *conventions(value))
        assert answer.denial == (403, "room-mismatch")


@REAL_GATES
def test_headers_of_other_conventions_do_not_reach_jitsi(gate: RealGate) -> None:
    """Their forged values do not; Jitsi reads none of these headers anyway."""
    for target in (target_with(), "/config.js"):
        assert "forged" not in str(gate.forwarded(target, *conventions("/forged")).headers)


@REAL_GATES
def test_request_id_of_a_client_is_replaced(gate: RealGate) -> None:
    (request_id,) = gate.forwarded(target_with(), ("X-Request-Id", "forged")).values("X-Request-Id")
    assert len(request_id) in {32, 36}


@REAL_GATES
def test_non_ascii_names_arrive_percent_encoded(gate: RealGate) -> None:
    user = {"name": "Зоя\r\nX-Evil: 1", "email": "a b@example.org"}
    forwarded = gate.forwarded(target_with(context={"user": user}))
    assert forwarded.values("X-Jitsi-User-Name") == ["%D0%97%D0%BE%D1%8F%0D%0AX-Evil:%201"]
    assert forwarded.values("X-Evil") == []


@REAL_GATES
def test_longest_identity_headers_arrive_whole(gate: RealGate) -> None:
    long = "n" * 1_000
    user = {"id": long, "name": long, "email": long}
    context = {"user": user, "group": long, "features": {long: True}}
    forwarded = gate.forwarded(target_with(context=context, sub=long))
    names = ("User-Id", "User-Name", "User-Email", "Group", "Features", "Subject")
    assert [forwarded.values(f"X-Jitsi-{name}") for name in names] == [[long]] * 6


@REAL_GATES
def test_service_gets_nothing_but_the_original_request(gate: RealGate) -> None:
    token = mint()
    target, bearer = f"/standup?jwt={token}", ("Authorization", "Bearer other-token")
    extra = [*conventions("/forged"), ("Referer", "forged"), ("X-Real-IP", "forged")]
    with gate.allowing_everything() as requests:
        for headers in FORGED:
            gate.send(target, bearer, *extra, *headers, method="POST", body=b"forged")
    assert len(requests) == len(FORGED)
    for request in requests:
        assert request.values("Authorization") == ["Bearer other-token"]
        assert HOST in request.values("Host") + request.values("X-Forwarded-Host")
        assert request.values("X-Real-IP") in ([], ["127.0.0.1"])
        assert str(request).count(token) == 1
        assert request.body == ""
        assert "forged" not in str(request)


@REAL_GATES
def test_missing_identity_headers_are_not_taken_from_the_client(gate: RealGate) -> None:
    """Several proxies do not copy a header that the answer lacks, and would keep the client's."""
    with gate.allowing_everything():
        arrived = [gate.forwarded("/standup", *headers) for headers in FORGED]
    assert "forged" not in str(arrived)

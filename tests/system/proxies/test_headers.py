"""Behind every proxy: who is let in comes from the sidecar, and from nobody else.

What a client may say to the sidecar, too: the target, its host and method, and its token.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.raw_http import Header
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import REAL_GATES, RealGate
from tests.system.proxies.programs import HOST

EXPIRES = 98753496345768
IDENTITY = {
    "X-Jitsi-Room": "standup",
    "X-Jitsi-Tenant": "acme",
    "X-Jitsi-Subject": "%2A",
    "X-Jitsi-Issuer": "booking-site",
    "X-Jitsi-User-Id": "u-1",
    "X-Jitsi-User-Name": "Ada%20Lovelace",
    "X-Jitsi-User-Email": "ada@example.org",
    "X-Jitsi-Group": "-",
    "X-Jitsi-Moderator": "false",
    "X-Jitsi-Affiliation": "member",
    "X-Jitsi-Features": "-",
    "X-Jitsi-Expires": str(EXPIRES),
}
NEVER = ["X-Jitsi-Would-Deny", "X-Jitsi-Denial"]
SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.lower,
    str.upper,
    lambda name: name.replace("-", "_"),
    lambda name: name.replace("X-Jitsi", "X_Jitsi"),
    lambda name: name.replace("X-Jitsi-", "X-Jitsi_"),
    lambda name: name.replace("-", "."),
]
FORGED = [[(spelt(name), "forged") for name in (*IDENTITY, *NEVER)] for spelt in SPELLINGS]
"""Every header, one list for each spelling: together they are more than some proxies accept."""


def conventions(value: str) -> list[Header]:
    """Everything that some proxy puts the original request into."""
    names = ["X-Original-URI", "X-Original-URL", "X-Original-Method", "X-Rewrite-URL"]
    names += ["X-Forwarded-Uri", "X-Forwarded-Method"]
    return [(spelt, value) for name in names for spelt in (name, name.replace("-", "_"))]


def identity(forwarded: RecordedRequest) -> dict[str, list[str]]:
    return {name: forwarded.values(name) for name in (*IDENTITY, *NEVER)}


def entered(**claims: object) -> str:
    return f"/acme/http-bind?room=standup&token={mint(exp=EXPIRES, **claims)}"


WHOLE = {name: [value] for name, value in IDENTITY.items()} | {name: [] for name in NEVER}


@REAL_GATES
def test_jitsi_gets_every_identity_header_once(gate: RealGate) -> None:
    assert identity(gate.forwarded(entered())) == WHOLE


@REAL_GATES
def test_what_a_client_sends_under_these_names_never_arrives(gate: RealGate) -> None:
    for headers in FORGED:
        forwarded = gate.forwarded(entered(), *headers, *headers)
        assert identity(forwarded) == WHOLE
        assert "forged" not in str(forwarded.headers)


@REAL_GATES
def test_nor_does_it_where_the_sidecar_is_not_asked(gate: RealGate) -> None:
    for headers in FORGED:
        assert "forged" not in str(gate.forwarded("/config.js", *headers).headers)


@REAL_GATES
def test_a_client_cannot_have_identity_headers_taken_away_again(gate: RealGate) -> None:
    """``Connection`` names headers that the next program is to remove (RFC 9110, section 7.6.1)."""
    named = ("Connection", "keep-alive, X-Jitsi-Moderator, X-Jitsi-Room")
    forwarded = gate.forwarded(entered(), named)
    assert identity(forwarded) == WHOLE
    assert "jitsi" not in "".join(forwarded.values("Connection")).lower()


@REAL_GATES
def test_a_client_that_names_its_own_identity_gets_in_nowhere(gate: RealGate) -> None:
    for headers in FORGED:
        assert gate.ask("/http-bind?room=standup", *headers).denial == (401, "token-missing")


@REAL_GATES
def test_the_headers_of_every_other_convention_open_nothing(gate: RealGate) -> None:
    opened = f"/standup?jwt={mint()}"
    for value in (opened, f"https://meet.example.org{opened}"):
        assert gate.ask("/other", *conventions(value)).denial == (401, "token-missing")
        answer = gate.ask(f"/other?jwt={mint()}", *conventions(value))
        assert answer.denial == (403, "room-mismatch")


@REAL_GATES
def test_they_do_not_reach_jitsi_either(gate: RealGate) -> None:
    """nginx hands them on, to a Jitsi that reads none of them."""
    for target in (entered(), "/config.js"):
        assert "forged" not in str(gate.forwarded(target, *conventions("/forged")).headers)


@REAL_GATES
def test_a_clients_request_id_is_replaced(gate: RealGate) -> None:
    (request_id,) = gate.forwarded(entered(), ("X-Request-Id", "forged")).values("X-Request-Id")
    assert len(request_id) in {32, 36}


@REAL_GATES
def test_names_beyond_ascii_arrive_percent_encoded(gate: RealGate) -> None:
    user = {"name": "Зоя\r\nX-Evil: 1", "email": "a b@example.org"}
    forwarded = gate.forwarded(entered(context={"user": user}))
    assert forwarded.values("X-Jitsi-User-Name") == ["%D0%97%D0%BE%D1%8F%0D%0AX-Evil:%201"]
    assert forwarded.values("X-Evil") == []


@REAL_GATES
def test_the_longest_identity_arrives_whole(gate: RealGate) -> None:
    long = "n" * 1_000
    user = {"id": long, "name": long, "email": long}
    context = {"user": user, "group": long, "features": {long: True}}
    forwarded = gate.forwarded(entered(context=context, sub=long))
    names = ("User-Id", "User-Name", "User-Email", "Group", "Features", "Subject")
    assert [forwarded.values(f"X-Jitsi-{name}") for name in names] == [[long]] * 6


@REAL_GATES
def test_the_sidecar_is_told_the_request_and_nothing_else(gate: RealGate) -> None:
    token = mint()
    target, bearer = f"/standup?jwt={token}", ("Authorization", "Bearer of-its-own")
    extra = [*conventions("/forged"), ("Referer", "forged"), ("X-Real-IP", "forged")]
    with gate.open_to_all() as questions:
        for headers in FORGED:
            gate.ask(target, bearer, *extra, *headers, method="POST", body=b"forged")
    assert len(questions) == len(FORGED)
    for question in questions:
        assert question.values("Authorization") == ["Bearer of-its-own"]
        assert HOST in question.values("Host") + question.values("X-Forwarded-Host")
        assert question.values("X-Real-IP") in ([], ["127.0.0.1"])
        assert str(question).count(token) == 1
        assert question.body == ""
        assert "forged" not in str(question)


@REAL_GATES
def test_what_the_sidecar_does_not_say_is_not_taken_from_the_client(gate: RealGate) -> None:
    """Several proxies copy no header that is missing in the answer, and leave the client's."""
    with gate.open_to_all():
        arrived = [gate.forwarded("/standup", *headers) for headers in FORGED]
    assert "forged" not in str(arrived)

"""Methods, bodies, ranges and long requests through the real nginx."""

from __future__ import annotations

import http.client

import pytest

from tests.support.raw_http import send
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import Site, mint


def test_a_post_is_judged_by_its_url_and_keeps_its_body(jitsi: Site) -> None:
    body = b"<body xmlns='http://jabber.org/protocol/httpbind'/>"
    target = f"/http-bind?room=standup&token={mint()}"
    forwarded = RecordedRequest.from_json(
        send(jitsi.nginx.port, target, method="POST", body=body).json()
    )
    assert (forwarded.method, forwarded.body) == ("POST", body.decode())


def test_a_refused_post_never_reaches_the_upstream(jitsi: Site) -> None:
    before = len(jitsi.upstream.requests)
    answer = send(jitsi.nginx.port, "/http-bind?room=standup", method="POST", body=b"x" * 100_000)
    assert answer.status == 401
    assert len(jitsi.upstream.requests) == before


def test_a_chunked_post_with_a_trailer_is_judged_by_its_url_alone(jitsi: Site) -> None:
    """Neither body nor trailer reach the sidecar, so none can become its next question."""
    connection = http.client.HTTPConnection("127.0.0.1", jitsi.nginx.port, timeout=20)
    connection.putrequest("POST", "/http-bind?room=standup")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    trailer = f"X-Original-URI: /standup?jwt={mint()}"
    connection.send(f"3\r\nabc\r\n0\r\n{trailer}\r\n\r\n".encode())
    assert connection.getresponse().status == 401
    connection.close()
    assert jitsi.get("/standup").denial == (401, "token-missing")


def test_head_is_judged_as_get_is(front: Site) -> None:
    allowed = front.get(f"/standup?jwt={mint()}", method="HEAD")
    denied = front.get("/standup", method="HEAD")
    assert (allowed.status, allowed.body) == (200, b"")
    assert (denied.status, denied.body) == (401, b"")
    assert denied.headers["X-Jitsi-Denial"] == "token-missing"
    assert front.upstream.requests[-1].method == "HEAD"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_every_other_method_is_judged_as_well(front: Site, method: str) -> None:
    assert front.get("/standup", method=method).status == 401
    allowed = front.get(f"/standup?jwt={mint()}", method=method)
    assert RecordedRequest.from_json(allowed.json()).method == method


def test_a_range_is_for_the_upstream_and_not_for_the_sidecar(front: Site) -> None:
    part = ("Range", "bytes=0-9")
    allowed = front.get(f"/standup?jwt={mint()}", part)
    assert (allowed.status, len(allowed.body)) == (206, 10)
    denied = front.get("/standup", part)
    assert denied.status == 401
    assert "</html>" in denied.text


def test_a_token_of_8_kb_works(front: Site) -> None:
    token = mint(padding="x" * 6_000)
    assert 8_192 < len(token) < 9_000
    forwarded = front.forwarded(f"/standup?jwt={token}")
    assert forwarded.target == f"/standup?jwt={token}"


def test_what_else_a_browser_sends_leaves_room_for_the_token(front: Site) -> None:
    cookie, referrer = ("Cookie", f"a={'c' * 12_000}"), ("Referer", f"https://x/{'r' * 8_000}")
    forwarded = front.forwarded(f"/standup?jwt={mint(padding='x' * 6_000)}", cookie, referrer)
    assert forwarded.values("Cookie") == [cookie[1]]


def test_a_request_that_is_too_long_for_the_sidecar_is_refused(front: Site) -> None:
    target = f"/standup?jwt={mint()}&padding="
    assert front.get(target.ljust(15_000, "x")).status == 200
    assert front.get(target.ljust(16_300, "x")).status == 503
    assert front.get(target.ljust(17_000, "x")).status == 414

"""Methods, bodies, ranges and long requests through nginx."""

from __future__ import annotations

import http.client

import pytest

from tests.support.raw_http import send
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import Site, mint


def test_post_is_decided_by_url_and_keeps_its_body(jitsi_site: Site) -> None:
    body = b"<body xmlns='http://jabber.org/protocol/httpbind'/>"
    target = f"/http-bind?room=standup&token={mint()}"
    forwarded = RecordedRequest.from_json(
        send(jitsi_site.nginx.port, target, method="POST", body=body).json()
    )
    assert (forwarded.method, forwarded.body) == ("POST", body.decode())


def test_denied_post_does_not_reach_the_upstream(jitsi_site: Site) -> None:
    before = len(jitsi_site.upstream.requests)
    answer = send(
        jitsi_site.nginx.port, "/http-bind?room=standup", method="POST", body=b"x" * 100_000
    )
    assert answer.status == 401
    assert len(jitsi_site.upstream.requests) == before
    jitsi_site.nginx.wait_for_log('"POST /http-bind HTTP/1.1" 401 ')


def test_trailer_of_chunked_post_is_ignored(jitsi_site: Site) -> None:
    """Body and trailer do not reach the service, so they cannot be read as its next request."""
    connection = http.client.HTTPConnection("127.0.0.1", jitsi_site.nginx.port, timeout=20)
    connection.putrequest("POST", "/http-bind?room=standup")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    trailer = f"X-Original-URI: /standup?jwt={mint()}"
    connection.send(f"3\r\nabc\r\n0\r\n{trailer}\r\n\r\n".encode())
    assert connection.getresponse().status == 401
    connection.close()
    assert jitsi_site.get("/standup").denial == (401, "token-missing")


def test_head_is_decided_like_get(front_site: Site) -> None:
    allowed = front_site.get(f"/standup?jwt={mint()}", method="HEAD")
    denied = front_site.get("/standup", method="HEAD")
    assert (allowed.status, allowed.body) == (200, b"")
    assert (denied.status, denied.body) == (401, b"")
    assert denied.headers["X-Jitsi-Denial"] == "token-missing"
    assert front_site.upstream.requests[-1].method == "HEAD"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_every_other_method_is_decided_too(front_site: Site, method: str) -> None:
    assert front_site.get("/standup", method=method).status == 401
    allowed = front_site.get(f"/standup?jwt={mint()}", method=method)
    assert RecordedRequest.from_json(allowed.json()).method == method


def test_range_header_does_not_reach_the_service(front_site: Site) -> None:
    part = ("Range", "bytes=0-9")
    allowed = front_site.get(f"/standup?jwt={mint()}", part)
    assert (allowed.status, len(allowed.body)) == (206, 10)
    denied = front_site.get("/standup", part)
    assert denied.status == 401
    assert "</html>" in denied.text


def test_token_of_8_kb_is_allowed(front_site: Site) -> None:
    token = mint(padding="x" * 6_000)
    assert 8_192 < len(token) < 9_000
    forwarded = front_site.forwarded(f"/standup?jwt={token}")
    assert forwarded.target == f"/standup?jwt={token}"


def test_long_cookie_and_referrer_leave_space_for_the_token(front_site: Site) -> None:
    cookie, referrer = ("Cookie", f"a={'c' * 12_000}"), ("Referer", f"https://x/{'r' * 8_000}")
    forwarded = front_site.forwarded(f"/standup?jwt={mint(padding='x' * 6_000)}", cookie, referrer)
    assert forwarded.values("Cookie") == [cookie[1]]


def test_request_too_long_for_the_service_is_denied(front_site: Site) -> None:
    target = f"/standup?jwt={mint()}&padding="
    longest = target.ljust(16_300, "x")
    assert front_site.get(longest).status == 200
    headers = ("Authorization", f"Basic {'x' * 16_000}"), ("Sec-Fetch-Dest", "x" * 1_000)
    assert front_site.get(longest, *headers).status == 503
    assert front_site.get(target.ljust(17_000, "x")).status == 414

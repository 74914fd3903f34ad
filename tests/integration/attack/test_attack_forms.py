"""Raw sockets against the service: a malformed request gets a 4xx or no response, never a 200."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import pytest

from tests.integration.attack.forms import BODIES, CHUNKED, HEADS, HIDDEN, SMUGGLED, Form, chunked
from tests.integration.attack.good_requests import (
    AUTH,
    GOOD_REQUESTS,
    TOKEN,
    VERIFY,
    GoodRequest,
)
from tests.integration.attack.raw import connect, exchange, port_of, rest, statuses
from tests.support.processes import RunningVerifier

EACH_REQUEST = pytest.mark.parametrize("good", GOOD_REQUESTS, ids=lambda good: good.name)
RESET = struct.pack("ii", 1, 0)  # no linger time, so that closing sends a reset
WITH_BODY = [good for good in GOOD_REQUESTS if good.body]


def attack(
    verifier: RunningVerifier,
    good: GoodRequest,
    form: Form,
    *,
    half_close: bool = False,
    most_responses: int = 1,
) -> None:
    received = exchange(port_of(verifier, admin=good.admin), form(good), half_close=half_close)
    assert len(statuses(received)) <= most_responses, received
    assert all(400 <= status < 500 for status in statuses(received)), received
    assert TOKEN.encode() not in received
    assert b"eyJ" not in received
    assert b"ok\n" not in received


@EACH_REQUEST
def test_every_good_request_is_answered_with_200(
    verifier: RunningVerifier, good: GoodRequest
) -> None:
    port = port_of(verifier, admin=good.admin)
    assert statuses(exchange(port, good.whole(b"Connection: close"))) == [200]
    if good.body:
        whole = good.head(CHUNKED) + chunked(good.body)
        assert statuses(exchange(port, whole)) == [200]


@pytest.mark.parametrize("form", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_no_request_is_smuggled_in(verifier: RunningVerifier, form: Form) -> None:
    for good in GOOD_REQUESTS:
        attack(verifier, good, form)


@pytest.mark.parametrize("form", HEADS.values(), ids=HEADS.keys())
def test_malformed_heads_are_refused(verifier: RunningVerifier, form: Form) -> None:
    for good in GOOD_REQUESTS:
        attack(verifier, good, form)


@pytest.mark.parametrize("form", BODIES.values(), ids=BODIES.keys())
def test_malformed_bodies_are_refused(verifier: RunningVerifier, form: Form) -> None:
    for good in WITH_BODY:
        # A body that is longer than its length goes on as a second malformed request.
        attack(verifier, good, form, half_close=True, most_responses=2)


@EACH_REQUEST
def test_a_malformed_head_in_two_reads_is_refused(
    verifier: RunningVerifier, good: GoodRequest
) -> None:
    """The second read makes the head of the first read malformed."""
    request = good.head(b"Content-Length: 0", CHUNKED) + HIDDEN
    for cut in range(1, len(request), 97):
        with connect(port_of(verifier, admin=good.admin)) as client:
            client.sendall(request[:cut])
            with suppress(ConnectionError):
                client.sendall(request[cut:])
            received = rest(client)
        assert statuses(received) in ([], [400]), received


@EACH_REQUEST
def test_a_trailer_is_no_header(verifier: RunningVerifier, good: GoodRequest) -> None:
    body = chunked(good.body or b"x")[:-2] + b"X-Original-URI: /other\r\n\r\n"
    received = exchange(port_of(verifier, admin=good.admin), good.head(CHUNKED) + body + HIDDEN)
    assert statuses(received) == [400 if good.body else 200]


@EACH_REQUEST
def test_a_body_is_never_read_as_the_next_request(
    verifier: RunningVerifier, good: GoodRequest
) -> None:
    body = good.body or HIDDEN
    length = b"Content-Length: %d" % len(body)
    port = port_of(verifier, admin=good.admin)
    last = AUTH.whole(b"Connection: close").replace(b"/auth", b"/none")
    received = exchange(port, good.head(length) + body + last)
    assert statuses(received) == [200, 404] if good.body else [200]


def test_a_pipeline_is_answered_until_its_first_error(verifier: RunningVerifier) -> None:
    received = exchange(verifier.port, AUTH.whole() * 10 + HIDDEN + b"x\r\n\r\n" + HIDDEN)
    assert statuses(received) == [200] * 11 + [400]
    assert received.count(b"ok\n") == 1


def test_a_long_pipeline_is_answered_in_order(verifier: RunningVerifier) -> None:
    other = AUTH.whole().replace(b"/standup", b"/other")
    received = exchange(
        verifier.port, (AUTH.whole() + other) * 100 + AUTH.whole(b"Connection: close")
    )
    assert statuses(received) == [200, 403] * 100 + [200]


def test_http_1_0_is_answered_and_the_connection_closed(verifier: RunningVerifier) -> None:
    received = exchange(verifier.port, AUTH.whole(version="HTTP/1.0") + HIDDEN)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert len(statuses(received)) == 1


def test_more_blanks_in_the_request_line_are_refused(verifier: RunningVerifier) -> None:
    """RFC 9112, section 3, permits both."""
    good = AUTH.whole(b"Connection: close")
    for request in (good.replace(b"GET ", b"GET   "), good.replace(b" HTTP", b"   HTTP", 1)):
        assert statuses(exchange(verifier.port, request)) == [400]


def test_a_client_half_closed_after_its_request_is_answered(verifier: RunningVerifier) -> None:
    assert statuses(exchange(verifier.port, AUTH.whole(), half_close=True)) == [200]


@pytest.mark.parametrize("good", GOOD_REQUESTS, ids=lambda good: good.name)
def test_a_client_half_closed_within_its_request_is_not(
    verifier: RunningVerifier, good: GoodRequest
) -> None:
    whole = good.whole()
    for cut in {0, 1, len(whole) // 2, len(whole) - 1}:
        with connect(port_of(verifier, admin=good.admin)) as client:
            client.sendall(whole[:cut])
            client.shutdown(socket.SHUT_WR)
            assert not rest(client)


def test_a_client_reset_does_not_affect_others(verifier: RunningVerifier) -> None:
    """A reset within a head, within a body, and before the response."""
    for request in (AUTH.head()[:-3], VERIFY.whole()[:-3], AUTH.whole() * 200):
        with connect(verifier.port) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(request)
    assert statuses(exchange(verifier.port, AUTH.whole(b"Connection: close"))) == [200]

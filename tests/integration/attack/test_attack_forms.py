"""Raw sockets against the service: what is no HTTP gets a clear 4xx or no answer, never a 200."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import pytest

from tests.integration.attack.forms import BODIES, CHUNKED, HEADS, HIDDEN, SMUGGLED, Form, chunked
from tests.integration.attack.places import LANE, PLACES, SLOW, TOKEN, VERIFY, Place
from tests.integration.attack.raw import connect, exchange, port_of, rest, statuses
from tests.support.processes import RunningVerifier

EACH_PLACE = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
BOTH_READERS = pytest.mark.parametrize("place", [LANE, SLOW], ids=["fast lane", "aiohttp"])
RESET = struct.pack("ii", 1, 0)  # no time to linger: the end is a reset
WITH_BODY = [place for place in PLACES if place.body]


def attack(verifier: RunningVerifier, place: Place, form: Form, *, leaves: bool = False) -> None:
    said = exchange(port_of(verifier, admin=place.admin), form(place), leaves=leaves)
    assert len(statuses(said)) <= 1, said
    assert all(400 <= status < 500 for status in statuses(said)), said
    assert TOKEN.encode() not in said
    assert b"eyJ" not in said
    assert b"ok\n" not in said


@EACH_PLACE
def test_each_place_answers_200_as_long_as_nobody_tampers_with_it(
    verifier: RunningVerifier, place: Place
) -> None:
    port = port_of(verifier, admin=place.admin)
    assert statuses(exchange(port, place.whole(b"Connection: close"))) == [200]
    if place.body:
        whole = place.head(CHUNKED) + chunked(place.body)
        assert statuses(exchange(port, whole)) == [200]


@pytest.mark.parametrize("form", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_no_request_is_smuggled_in(verifier: RunningVerifier, form: Form) -> None:
    for place in PLACES:
        attack(verifier, place, form)


@pytest.mark.parametrize("form", HEADS.values(), ids=HEADS.keys())
def test_a_head_that_is_none_is_refused(verifier: RunningVerifier, form: Form) -> None:
    for place in PLACES:
        attack(verifier, place, form)


@pytest.mark.parametrize("form", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_none_is_refused(verifier: RunningVerifier, form: Form) -> None:
    for place in WITH_BODY:
        attack(verifier, place, form, leaves=True)


@EACH_PLACE
def test_what_comes_in_two_reads_is_refused_as_well(
    verifier: RunningVerifier, place: Place
) -> None:
    """The head alone would be good; what makes it none arrives when it has been read in part."""
    request = place.head(b"Content-Length: 0", CHUNKED) + HIDDEN
    for cut in range(1, len(request), 97):
        with connect(port_of(verifier, admin=place.admin)) as client:
            client.sendall(request[:cut])
            with suppress(ConnectionError):
                client.sendall(request[cut:])
            said = rest(client)
        assert statuses(said) in ([], [400]), said


@EACH_PLACE
def test_a_trailer_is_no_header_and_nothing_follows_it(
    verifier: RunningVerifier, place: Place
) -> None:
    body = chunked(place.body or b"x")[:-2] + b"X-Original-URI: /other\r\n\r\n"
    port = port_of(verifier, admin=place.admin)
    assert statuses(exchange(port, place.head(CHUNKED) + body + HIDDEN)) == [200]


@EACH_PLACE
def test_a_body_is_never_read_as_the_next_request(verifier: RunningVerifier, place: Place) -> None:
    body = place.body or HIDDEN
    length = b"Content-Length: %d" % len(body)
    port = port_of(verifier, admin=place.admin)
    assert statuses(exchange(port, place.head(length) + body + HIDDEN)) == [200]


@BOTH_READERS
def test_a_pipeline_is_answered_in_order_until_something_in_it_is_none(
    verifier: RunningVerifier, place: Place
) -> None:
    said = exchange(verifier.port, place.whole() * 10 + HIDDEN + b"x\r\n\r\n" + HIDDEN)
    assert statuses(said) == [200] * 11 + [400]
    assert said.count(b"ok\n") == 1


@BOTH_READERS
def test_a_pipeline_of_many_is_not_answered_out_of_step(
    verifier: RunningVerifier, place: Place
) -> None:
    other = place.whole().replace(b"/standup", b"/other")
    said = exchange(
        verifier.port, (place.whole() + other) * 100 + place.whole(b"Connection: close")
    )
    assert statuses(said) == [200, 403] * 100 + [200]


@BOTH_READERS
def test_http_1_0_is_answered_and_closed(verifier: RunningVerifier, place: Place) -> None:
    said = exchange(verifier.port, place.whole(version="HTTP/1.0") + HIDDEN)
    assert said.startswith(b"HTTP/1.0 200 ")
    assert len(statuses(said)) == 1


@BOTH_READERS
def test_more_blanks_in_the_request_line_change_nothing(
    verifier: RunningVerifier, place: Place
) -> None:
    """RFC 9112, section 3, allows to read it so: no target hides in blanks."""
    other = place.whole(b"Connection: close").replace(b"/standup", b"/other")
    for request in (other.replace(b"GET ", b"GET   "), other.replace(b" HTTP", b"   HTTP", 1)):
        assert statuses(exchange(verifier.port, request)) == [403]


@BOTH_READERS
def test_a_client_that_half_closes_behind_its_request_is_answered(
    verifier: RunningVerifier, place: Place
) -> None:
    assert statuses(exchange(verifier.port, place.whole(), leaves=True)) == [200]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_client_that_half_closes_within_its_request_gets_nothing(
    verifier: RunningVerifier, place: Place
) -> None:
    whole = place.whole()
    for cut in {0, 1, len(whole) // 2, len(whole) - 1}:
        with connect(port_of(verifier, admin=place.admin)) as client:
            client.sendall(whole[:cut])
            client.shutdown(socket.SHUT_WR)
            assert not rest(client)


def test_a_client_that_vanishes_takes_nothing_with_it(verifier: RunningVerifier) -> None:
    """A reset, within a head, within a body and before the answer."""
    for request in (LANE.head()[:-3], VERIFY.whole()[:-3], LANE.whole() * 200):
        with connect(verifier.port) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(request)
    assert statuses(exchange(verifier.port, LANE.whole(b"Connection: close"))) == [200]

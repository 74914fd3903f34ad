"""Heads as the parser reads them: exact limits, blanks, doubled names, what is remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sidecar import mint
from tests.support.wire import head
from verifier.http import parser as module
from verifier.http.parser import Limits, RefusalError, RequestParser
from verifier.http.request import Request

LIMITS = Limits(head_bytes=1_000, field_bytes=500, head_fields=10)


@pytest.fixture(autouse=True)
def remembers_nothing() -> Iterator[None]:
    """Begin and end with nothing remembered."""
    module._LINES.clear()
    module._LOWER_CASE.clear()
    yield
    module._LINES.clear()
    module._LOWER_CASE.clear()


def read(data: bytes, limits: Limits = LIMITS) -> Request:
    return RequestParser(limits).read_head(data, None)


def refusal(data: bytes) -> int:
    with pytest.raises(RefusalError) as refused:
        read(data)
    return refused.value.status


# Exact limits


def test_a_head_of_exactly_the_limit_is_read() -> None:
    size = LIMITS.head_bytes - len(head("X-A: ", "X-B: "))
    longest = [f"X-A: {'a' * (size - 450)}", f"X-B: {'b' * 450}"]
    assert len(head(*longest)) == LIMITS.head_bytes
    assert read(head(*longest)).sole(b"x-b") == "b" * 450
    assert refusal(head(longest[0], longest[1] + "b")) == 431


@pytest.mark.parametrize("doubled", [[], ["X: 1", "X: 2"]])
@pytest.mark.parametrize("name", ["X-A", "Authorization", "Cookie"])
def test_a_field_of_exactly_the_limit_is_read(name: str, doubled: list[str]) -> None:
    value = "a" * (LIMITS.field_bytes - len(name))
    assert read(head(*doubled, f"{name}: {value}")).sole(name.lower().encode()) == value
    assert refusal(head(*doubled, f"{name}: {value}a")) == 431
    assert refusal(head(*doubled, f"{name}: x", f"{name}: {value}a")) == 431
    # Blanks around a value are no part of it.
    for written in (f"{name}: {value}{' ' * 9}", f"{name}:{' ' * 9}{value}"):
        assert read(head(*doubled, written)).sole(name.lower().encode()) == value


def test_a_target_of_exactly_the_limit_is_read() -> None:
    target = "/" + "a" * (LIMITS.field_bytes - 1)
    assert read(head(line=f"GET {target} HTTP/1.1")).target == target
    assert refusal(head(line=f"GET {target}a HTTP/1.1")) == 431


@pytest.mark.parametrize("names", ["X-{}", "X"])
def test_as_many_fields_as_the_limit_are_read(names: str) -> None:
    fields = [f"{names.format(n)}: {n}" for n in range(LIMITS.head_fields - 1)]
    request = read(head(*fields))
    assert sum(map(len, map(request.values, request.fields))) == LIMITS.head_fields
    assert refusal(head(*fields, "Y: 1")) == 400


# Values and names


@pytest.mark.parametrize("blanks", ["", " ", "\t", " \t "])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Host", "meet.test:80"),
        ("Authorization", "Bearer a.b.c"),
        ("X-Original-URI", "/a?b"),
        ("Expect", "100-continue"),
        ("Traceparent", "00"),
    ],
)
def test_blanks_around_a_used_value_are_no_part_of_it(field: str, value: str, blanks: str) -> None:
    host = f"Host:{blanks}meet.test{blanks}" if field != "Host" else ""
    for doubled in ([], ["X: 1", "X: 2"]):
        request = read(head(*doubled, f"{field}:{blanks}{value}{blanks}", host=host))
        assert request.sole(field.lower().encode()) == value
        assert request.values(field.lower().encode()) == [value]


@pytest.mark.parametrize("value", ["0", "5", "5 ", "\t5\t", "0005", "00000000000000000005"])
def test_lengths_are_read_with_blanks_and_zeros(value: str) -> None:
    parser = RequestParser(LIMITS)
    parser.read_head(head(f"Content-Length: {value}", line="POST / HTTP/1.1"), None)
    assert parser.has_body == (value.strip(" \t0") == "5")
    if parser.has_body:
        body = bytearray(b"hello, not this")
        parser.expect_body(Request("POST", "/", {}, {}))
        assert parser.read_body(body) == b"hello"
        assert body == b", not this"


@pytest.mark.parametrize("value", ["chunked", "chunked ", " \tCHUNKED "])
def test_a_transfer_coding_is_read_with_blanks(value: str) -> None:
    parser = RequestParser(LIMITS)
    parser.read_head(head(f"Transfer-Encoding: {value}", line="POST / HTTP/1.1"), None)
    assert (parser.has_body, parser.is_last) == (True, True)


@pytest.mark.parametrize("value", ["\udcff", "\udc80\udcfe", "caf\u00e9", "a\tb", "\u00a0x\u00a0"])
def test_other_bytes_in_values_are_kept(value: str) -> None:
    for doubled in ([], ["X: 1", "X: 2"]):
        found = read(head(*doubled, f"X-A: {value}")).sole(b"x-a")
        assert found == value


@pytest.mark.parametrize("names", [("X-A", "x-a"), ("x-a", "X-A"), ("X-A", "X-A"), ("X-a", "x-A")])
def test_doubled_names_are_found_in_any_case(names: tuple[str, str]) -> None:
    first, second = names
    for _ in range(2):  # the second time, the names are remembered
        request = read(head(f"{first}: 1", "X-B: 2", f"{second}: 3"))
        assert request.sole(b"x-a") is None
        assert request.values(b"x-a") == ["1", "3"]
        assert (request.fields[b"x-a"], request.doubled) == (b"1", {b"x-a": [b"3"]})
        assert request.sole(b"x-b") == "2"


@pytest.mark.parametrize("second", ["Host", "host", "HOST", "hOsT"])
def test_a_second_host_is_refused_in_any_case(second: str) -> None:
    assert refusal(head(f"{second}: meet.test")) == 400


# What is remembered


def fill() -> None:
    for number in range(module._MOST_KNOWN + 50):
        read(head(f"X-{number}: 1", line=f"GET /{number} HTTP/1.1"))


def test_what_is_remembered_is_bounded_and_right_when_full() -> None:
    fill()
    assert len(module._LINES) == len(module._LOWER_CASE) == module._MOST_KNOWN
    for _ in range(2):
        request = read(head("X-New: 1", "x-new: 2", "X-9999: 3", line="PUT /new HTTP/1.0"))
        assert (request.method, request.target) == ("PUT", "/new")
        assert (request.values(b"x-new"), request.sole(b"x-9999")) == (["1", "2"], "3")
        assert read(head(line="GET /7 HTTP/1.1")).target == "/7"
    assert refusal(head(line="GET /new HTTP/1.2")) == 400
    assert b"PUT /new HTTP/1.0" not in module._LINES
    assert b"X-New" not in module._LOWER_CASE


def test_no_token_is_remembered() -> None:
    token = mint()
    targets = (f"/auth?jwt={token}", "/ext-authz/a?jwt=x", f"/ext-authz/{token}", f"/{token}")
    for target in targets:
        read(
            head(f"{token[:40]}: 1", f"X-{token.replace('.', '-')}: 1", f"Authorization: {token}"),
            Limits(),
        )
        read(head(line=f"GET {target} HTTP/1.1"), Limits())
    assert not [line for line in module._LINES if b"jwt" in line or token[-20:].encode() in line]
    kept = b" ".join([*module._LINES, *module._LOWER_CASE, *module._LOWER_CASE.values()])
    assert token[-43:].encode() not in kept
    assert max(map(len, [*module._LINES, *module._LOWER_CASE])) <= module._LONGEST_KNOWN


def test_a_refused_line_is_not_remembered() -> None:
    for line in ("GET /a HTTP/1.2", "GET a HTTP/1.1", "CONNECT a:1 HTTP/1.1", "PRI / HTTP/1.0"):
        for _ in range(2):
            assert refusal(head(line=line)) == 400
    assert not module._LINES


def test_a_request_does_not_change_with_the_next_one() -> None:
    parser = RequestParser(LIMITS)
    first = parser.read_head(head("X-A: 1", "X-A: 2"), None)
    second = parser.read_head(head("X-B: 3"), None)
    assert (first.values(b"x-a"), first.sole(b"x-b")) == (["1", "2"], None)
    assert (second.values(b"x-a"), second.sole(b"x-b")) == ([], "3")

"""Lines as servers write them, and lines that no server would write."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.replay.access_log import LineReader
from verifier.replay.logged_request import LoggedRequest, NotAsked, UnreadableLineError

NOON = 1_795_348_800.0
STAMP = "22/Nov/2026:12:00:00 +0000"
TARGET = "/standup?jwt=a.b.c"


def combined(
    request: str = f"GET {TARGET} HTTP/2.0", before: str = "10.0.0.1 - -", status: int = 200
) -> bytes:
    return f'{before} [{STAMP}] "{request}" {status} 5 "-" "curl/8"'.encode()


def read(line: bytes | dict[str, Any]) -> LoggedRequest | NotAsked:
    return LineReader().read(line if isinstance(line, bytes) else json.dumps(line).encode())


def request(line: bytes | dict[str, Any]) -> LoggedRequest:
    found = read(line)
    assert isinstance(found, LoggedRequest)
    return found


def why(line: bytes | dict[str, Any]) -> str:
    with pytest.raises(UnreadableLineError) as raised:
        read(line)
    return str(raised.value)


def test_combined_line_has_target_time_and_address() -> None:
    assert request(combined()) == LoggedRequest(
        TARGET, NOON, None, "10.0.0.1", "200", "GET", shows_query=True
    )


@pytest.mark.parametrize(
    ("before", "host", "address"),
    [
        ("meet.example.org 10.0.0.1 - -", "meet.example.org", "10.0.0.1"),
        ("meet.example.org:443 10.0.0.1 - -", "meet.example.org:443", "10.0.0.1"),
        ("- 10.0.0.1 - -", None, "10.0.0.1"),
        ("unix: - -", None, "unix:"),
        ("2001:db8::1 - ada lovelace", None, "2001:db8::1"),
        ("10.0.0.1 - a - b [c", None, "10.0.0.1"),
        ("web-1  | 10.0.0.1 - -", None, "10.0.0.1"),
        ("2026-11-22T12:00:01.123456789Z stdout F 10.0.0.1 - -", None, "10.0.0.1"),
        ("Nov 22 12:00:01 web1 nginx: 10.0.0.1 - -", None, "10.0.0.1"),
        ("Nov  2 12:00:01 web1 nginx[123]: 10.0.0.1 - -", None, "10.0.0.1"),
        ("<190>Nov 22 12:00:01 web1 nginx: 10.0.0.1 - -", None, "10.0.0.1"),
        ("2026-11-22T12:00:01.5+01:00 web1 nginx[1]: 10.0.0.1 - -", None, "10.0.0.1"),
        ("\0\0\0" + "10.0.0.1 - -", None, "10.0.0.1"),
    ],
)
def test_host_and_address_before_the_time_are_recognised(
    before: str, host: str | None, address: str
) -> None:
    found = request(combined(before=before))
    assert (found.host, found.address, found.target) == (host, address, TARGET)


def test_line_of_envoy_has_its_start_and_host() -> None:
    line = (
        f'[2026-11-22T12:00:00.000Z] "GET {TARGET} HTTP/2" 200 - 0 12 3 2 "10.0.0.1" "curl/8"'
        ' "b2f0" "meet.example.org" "10.0.0.2:80"'
    )
    expected = LoggedRequest(
        *(TARGET, NOON, "meet.example.org", "", "200", "GET"), time_is_start=True, shows_query=True
    )
    assert request(line.encode()) == expected


def test_user_name_cannot_imitate_a_request() -> None:
    user = "[22/Nov/1990:12:00:00 +0000] \\x22GET /other?jwt=d.e.f HTTP/1.1\\x22 200"
    assert request(combined(before=f"10.0.0.1 - {user}")).target == TARGET


@pytest.mark.parametrize(
    ("escaped", "target"),
    [
        ("/caf\\xC3\\xA9", "/café"),
        ("/a\\x22b", '/a"b'),
        ('/a\\"b', '/a"b'),
        ("/a\\\\b", "/a\\b"),
        ("/a\\x5Cb", "/a\\b"),
        ("/a\\tb", "/a\tb"),
        ("/a\\xFFb", "/a\udcffb"),
        ("/café", "/café"),
    ],
)
def test_escapes_of_the_log_are_removed(escaped: str, target: str) -> None:
    assert request(combined(f"GET {escaped} HTTP/1.1")).target == target


@pytest.mark.parametrize("line", ["-", "", "\\x16\\x03\\x01", "GET", "CONNECT a:443 HTTP/1.1"])
def test_line_without_an_http_request_is_not_asked_about(line: str) -> None:
    assert read(combined(line)) is NotAsked.NO_REQUEST
    assert read({"request": line, "msec": 5}) is NotAsked.NO_REQUEST


def test_request_lines_without_version_or_with_blanks_are_read() -> None:
    assert request(combined("GET /a")).target == "/a"
    assert request(combined("GET /a b HTTP/1.1")).target == "/a b"


CONTRIB = {
    "haproxy": '{"time":"22/Nov/2026:12:00:00 +0000","address":"10.0.0.1","method":"GET",'
    '"path":"/standup","status":200,"bytes":5,"milliseconds":1,"denial":"-",'
    '"id":"01234567-89ab-cdef-0123-456789abcdef","user_agent":"curl/8"}',
    "envoy": '{"address":"10.0.0.1","denial":null,"method":"GET","path":"/standup","status":200,'
    '"start_time":"2026-11-22T12:00:00.123Z","user_agent":"a\\u001b\\"b"}',
    "nginx": '10.0.0.1 [2026-11-22T12:00:00+00:00] "GET /standup HTTP/2.0" 200 5 0.001 '
    'gate=200 denial= id=0123456789abcdef "curl/8"',
    "haproxy before": '10.0.0.1 [22/Nov/2026:12:00:00.123] "GET /standup" 200 5 1 '
    'denial=- id=01234567-89ab-cdef-0123-456789abcdef "curl/8"',
    "envoy before": '10.0.0.1 [2026-11-22T12:00:00.123Z] "GET /standup HTTP/2" 200 5 1 '
    'flags=- denial=token-missing id=01234567-89ab-cdef-0123-456789abcdef "curl/8"',
}


@pytest.mark.parametrize("program", CONTRIB)
def test_log_formats_of_contrib_have_no_query(program: str) -> None:
    line = CONTRIB[program].encode()
    assert read(line) is NotAsked.NO_QUERY
    assert read(b"envoy-1  | " + line) is NotAsked.NO_QUERY


def test_other_records_with_a_denial_are_read() -> None:
    for name in ("request_uri", "uri"):
        assert request({name: TARGET, "denial": "-", "path": "/", "msec": NOON}).target == TARGET
    assert request({"path": TARGET, "msec": NOON}).target == TARGET


@pytest.mark.parametrize("end", [8, 30, 40, 70, 100])
def test_line_that_ends_before_its_status_is_cut_off(end: int) -> None:
    line = combined(f"GET /standup?jwt={'a' * 50}\\x22{'b' * 50} HTTP/1.1")
    begin = line.index(b"GET") - 8
    assert read(line[: begin + end]) is NotAsked.CUT_OFF
    for length in range(begin + 8, line.index(b'" 200') + len(b'" 20') + 1):
        assert read(line[:length]) is NotAsked.CUT_OFF, line[:length]
    assert read(b"2026-11-22T12:00:01.1234567Z stdout P " + line[:100]) is NotAsked.CUT_OFF


def test_request_line_that_ends_within_a_token_is_cut_off() -> None:
    assert read(combined("GET /standup?jwt=eyJhbGciOi")) is NotAsked.CUT_OFF
    assert read({"request": "GET /standup?jwt=eyJhbGciOi", "msec": 5}) is NotAsked.CUT_OFF
    whole = f"/standup?jwt={'a' * 9}.{'b' * 9}.{'c' * 43}"
    assert request(combined(f"GET {whole}")).target == whole


@pytest.mark.parametrize("target", ["[redacted]", "***", "REDACTED"])
def test_redacted_target_is_recognised(target: str) -> None:
    assert read(combined(f"GET {target} HTTP/1.1")) is NotAsked.REDACTED
    assert read(combined(target)) is NotAsked.REDACTED
    assert read({"request_uri": target, "msec": 5}) is NotAsked.REDACTED


@pytest.mark.parametrize(
    "record",
    [
        {"request": "OPTIONS /a HTTP/1.1", "status": 200, "msec": 5},
        {"request_uri": "/a", "request_method": "OPTIONS", "status": "200", "msec": "5"},
        {"request": {"uri": "/a", "method": "OPTIONS"}, "status": 200, "ts": 5},
        {"RequestPath": "/a", "RequestMethod": "OPTIONS", "DownstreamStatus": 200, "time": 5},
        {"path": "/a", "method": "OPTIONS", "response_code": 200, "time": 5},
    ],
)
def test_method_and_status_are_read(record: dict[str, Any]) -> None:
    found = request(record)
    assert (found.method, found.status) == ("OPTIONS", "200")


@pytest.mark.parametrize("status", [None, True, [], "", "-", 0, 20, 2000, "abc", "٢٠٠"])
def test_value_that_is_no_status_is_none(status: Any) -> None:
    assert request({"request_uri": "/a", "msec": 5, "status": status}).status == ""


def test_member_for_arguments_shows_queries() -> None:
    assert not request({"uri": "/a", "msec": 5}).shows_query
    assert request({"uri": "/a", "args": "", "msec": 5}).shows_query
    assert request({"uri": "/a?b", "msec": 5}).shows_query


@pytest.mark.parametrize(
    "members",
    [
        {"time_iso8601": "2026-11-22T13:00:00+01:00"},
        {"time_local": "22/Nov/2026:07:00:00 -0500"},
        {"msec": "1795348800.000"},
        {"msec": 1795348800},
        {"ts": 1795348800.0},
        {"StartUTC": "2026-11-22T12:00:00.000000001Z"},
        {"time": 1795348800000},
    ],
)
def test_every_form_of_the_time_is_read(members: dict[str, Any]) -> None:
    assert request({"request_uri": "/a", **members}).time == NOON


@pytest.mark.parametrize(
    "value", ["yesterday", "nan", "-5", "1e999", "2026-11-22T12:00:00", True, [], "99/Foo/1"]
)
def test_value_that_is_no_time_is_unreadable(value: Any) -> None:
    if value is not True:
        assert "expected a time with its zone" in why({"request_uri": "/a", "msec": value})
    assert "time" in why(combined().replace(STAMP.encode(), b"22/oNo/2026:12:00:00 +0000"))
    assert "time" in why(combined().replace(STAMP.encode(), b"32/Nov/2026:12:00:00 +0000"))


@pytest.mark.parametrize(
    "record",
    [
        {"request": f"GET {TARGET} HTTP/1.1", "host": "h", "msec": "1795348800"},
        {"request_uri": TARGET, "uri": "/index.html", "host": "h", "msec": "1795348800"},
        {"uri": "/standup", "args": "jwt=a.b.c", "http_host": "h", "msec": "1795348800"},
        {"request": {"uri": TARGET, "host": "h"}, "ts": NOON},
        {"RequestPath": TARGET, "RequestHost": "h", "StartUTC": "2026-11-22T12:00:00Z"},
        {"path": TARGET, "authority": "h", "start_time": "2026-11-22T12:00:00.000Z"},
    ],
)
def test_member_names_of_known_servers_are_recognised(record: dict[str, Any]) -> None:
    found = request(record)
    assert (found.target, found.host, found.time) == (TARGET, "h", NOON)


def test_other_member_names_can_be_given() -> None:
    reader = LineReader({"target": ("http.url",), "time": ("when",)})
    found = reader.read(json.dumps({"http": {"url": TARGET}, "when": 5, "msec": 6}).encode())
    assert isinstance(found, LoggedRequest)
    assert (found.target, found.time) == (TARGET, 5)


def test_duration_moves_the_time_to_the_start() -> None:
    found = request({"request_uri": "/a", "msec": NOON, "request_time": "3600.5", "status": 101})
    assert (found.time, found.upgraded, found.time_is_start) == (NOON - 3600.5, True, True)
    found = request(combined(status=101))
    assert (found.time, found.upgraded, found.time_is_start) == (NOON, True, False)
    assert request({"request_uri": "/a", "msec": 5, "duration": -9}).time == 5


def test_docker_json_files_contain_lines_as_strings() -> None:
    wrapped = {"log": combined().decode() + "\n", "stream": "stdout", "time": "x"}
    assert request(wrapped).target == TARGET
    wrapped["log"] = json.dumps({"request_uri": TARGET, "msec": 5})
    assert request(wrapped).target == TARGET


def test_json_with_wrong_escapes_is_read() -> None:
    line = rb'{"request_uri":"/caf\xC3\xA9\x22?jwt=a","msec":5}'
    assert request(line).target == '/café"?jwt=a'
    assert request(b'{"request_uri":"/\xff","msec":5}').target == "/\udcff"
    assert request(rb'{"request_uri":"/\ud83d","msec":5}').target == "/?"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "neither nginx' combined form nor a JSON object"),
        (b"\xff\xfe\x00", "neither nginx' combined form nor a JSON object"),
        (b"{not json", "begins like a JSON object, but is not one"),
        (b"{" * 100_000, "begins like a JSON object, but is not one"),
        (b'{"a":' * 100_000, "begins like a JSON object, but is not one"),
        (b"{}", "JSON without a member for the request; see --field"),
        (b'{"request_uri":"/a"}', "JSON without a member for the time; see --field"),
    ],
)
def test_unreadable_line_has_a_reason(line: bytes, reason: str) -> None:
    assert why(line) == reason


@given(st.binary(max_size=200) | st.text(max_size=100).map(combined))
@settings(deadline=None)
def test_any_line_is_read_or_unreadable(line: bytes) -> None:
    with suppress(UnreadableLineError):
        assert read(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("uri"), inner, max_size=1),
    max_leaves=4,
)
NAMES = st.sampled_from(("request", "request_uri", "args", "host", "msec", "request_time", "log"))


@given(st.dictionaries(NAMES, JSON))
@settings(deadline=None)
def test_members_of_any_type_are_read_or_unreadable(record: dict[str, Any]) -> None:
    try:
        found = read({"request_uri": "/a", "msec": 5} | record)
    except UnreadableLineError:
        return
    if isinstance(found, LoggedRequest):
        found.target.encode("utf-8", "surrogateescape")

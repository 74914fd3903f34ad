"""``replay``: the report on the requests of access logs."""

from __future__ import annotations

import gzip
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.access_logs import NOON, key_server, line, record, token
from tests.support.commands import Outcome, Run
from tests.support.tokens import SECRET
from verifier.replay.log_file import open_log

GOOD = f"/standup?jwt={token()}"


@pytest.fixture
def replay(run: Run, tmp_path: Path) -> Callable[..., Outcome]:
    """Return a function that replays these lines and, without other options, prints JSON."""

    def call(*lines: str | bytes, options: tuple[str, ...] = ("--json",)) -> Outcome:
        log = tmp_path / "access.log"
        log.write_bytes(
            b"".join(text.encode() if isinstance(text, str) else text for text in lines)
        )
        return run("replay", str(log), *options)

    return call


Replay = Callable[..., Outcome]


def numbers(outcome: Outcome) -> tuple[int, int, dict[str, int]]:
    said = [line for line in outcome.err.splitlines() if ": configuration: " not in line]
    assert said == []
    report = outcome.json
    assert report["judged"] == report["allowed"] + report["denied"]
    return report["allowed"], report["denied"], report["codes"]


def test_each_line_is_decided_at_its_own_time(replay: Replay) -> None:
    times = (NOON - 3601, NOON - 3600, NOON + 3599, NOON + 3600, NOON, NOON - 4000, NOON + 9999)
    outcome = replay(*(line(GOOD, time) for time in times))
    assert outcome.status == 0
    assert numbers(outcome) == (3, 4, {"token-not-yet-valid": 2, "token-expired": 2})
    assert (outcome.json["from"], outcome.json["to"]) == (NOON - 4000, NOON + 9999)


def test_remembered_decision_ends_with_its_time(replay: Replay) -> None:
    other = f"/retro?jwt={token()}"
    times = (NOON, NOON + 3600, NOON, NOON + 3600)
    outcome = replay(*(line(target, time) for time in times for target in (GOOD, other)))
    assert numbers(outcome) == (2, 6, {"token-expired": 4, "room-mismatch": 2})


def test_pages_and_signalling_are_decided_and_files_are_not(replay: Replay) -> None:
    outcome = replay(
        line(GOOD),
        line(f"/http-bind?room=standup&token={token()}"),
        line(f"/http-bind?token={token()}"),
        line("/standup"),
        line(f"/retro?jwt={token()}"),
        line(f"/standup?jwt={token()}&jwt={token()}"),
        line(f"/standup?jwt={token()}&token={token(sub='*')}"),
        line(f"https://meet.example.org/standup?jwt={token()}"),
        line("/libs/app.js?v=1"),
        line("/"),
        line("/a/b/c"),
        "\n",
    )
    codes = {
        "room-address-invalid": 1,
        "token-missing": 2,
        "room-mismatch": 1,
        "ambiguous-request": 2,
    }
    assert numbers(outcome) == (3, 6, codes)
    assert outcome.json["lines"] == 12
    assert not_asked(outcome) == {"public": 2}


STAMP = "22/Nov/2026:12:00:00 +0000"


def sent(request: str, status: int = 200) -> str:
    """Return a line of the combined form for a request with any method."""
    return f'10.0.0.1 - - [{STAMP}] "{request} HTTP/1.1" {status} 5 "-" "curl/8"\n'


def not_asked(outcome: Outcome) -> dict[str, int]:
    return {reason: count for reason, count in outcome.json["not_asked"].items() if count}


def test_redacted_queries_are_no_part_of_the_ratio(replay: Replay) -> None:
    queries = ("[params_redacted]", "[redacted]", "***", "jwt=***", "jwt=REDACTED")
    lines = [line(f"/standup?{query}") for query in queries]
    lines += [
        line("/http-bind?room=standup&token=[FILTERED]"),
        record("/standup?jwt=eyJhbGciOi..."),
        json.dumps({"uri": "/standup", "args": "[redacted]", "msec": NOON}) + "\n",
    ]
    outcome = replay(*lines, options=("--json", "--fail-on-denied"))
    assert (outcome.status, numbers(outcome)) == (0, (0, 0, {}))
    assert not_asked(outcome) == {"redacted": 8}
    notes = " ".join(outcome.json["notes"])
    assert "hides their query or token" in notes
    assert 'mode = "report-only"' in notes
    text = replay(*lines, line(GOOD), line("/standup?lang=de"), options=()).out
    assert "query redacted 8" in text
    assert "allowed and denied count only the other 2 requests; 1 of them have a token." in text


def test_malformed_tokens_of_broken_programs_are_denied(replay: Replay) -> None:
    values = ("undefined", "null", "{token}", "[object%20Object]", "eyJhbGciOi")
    outcome = replay(*(line(f"/standup?jwt={value}") for value in values))
    assert numbers(outcome) == (0, 5, {"token-malformed": 5})


def test_lines_that_are_cut_off_are_no_part_of_the_ratio(replay: Replay) -> None:
    whole = line(GOOD)
    for end in ("\n", "\r\n"):
        outcome = replay(whole[:90] + end, whole[:120] + end, whole)
        assert numbers(outcome) == (1, 0, {})
        assert not_asked(outcome) == {"cut-off": 2}
        assert "cut off" in " ".join(outcome.json["notes"])


def test_preflights_of_signalling_are_no_part_of_the_ratio(replay: Replay) -> None:
    targets = ("/http-bind?room=a", "/acme/http-bind?room=a", "/conference-request/v1?room=a")
    outcome = replay(
        *(sent(f"OPTIONS {target}") for target in targets),
        record("/http-bind?room=a", request_method="OPTIONS"),
        sent("OPTIONS /standup?a=b"),
        sent("HEAD /standup?a=b"),
    )
    assert not_asked(outcome) == {"preflight": 4}
    assert numbers(outcome) == (0, 2, {"token-missing": 2})


def test_keep_alives_are_no_part_of_the_ratio(replay: Replay) -> None:
    socket = "/acme/xmpp-websocket?room=standup"
    outcome = replay(
        sent(f"GET {socket}"),
        sent("GET /_unlock?room=standup"),
        sent("GET /acme/_unlock?room=standup", 204),
        sent(f"GET {socket}", 101),
        sent(f"GET {socket}", 401),
        sent("POST /http-bind?room=standup"),
    )
    assert not_asked(outcome) == {"keep-alive": 3}
    assert numbers(outcome) == (0, 3, {"token-missing": 3})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_of_the_web_server_are_no_part_of_the_ratio(replay: Replay, status: int) -> None:
    outcome = replay(line(GOOD, status=status), line("/standup", status=status), line(GOOD))
    assert not_asked(outcome) == {"redirect": 2}
    assert numbers(outcome) == (1, 0, {})


def test_redirects_of_the_gate_are_decided(replay: Replay, configured: Callable[..., None]) -> None:
    configured(JWT_APP_ID="app", JWT_APP_SECRET=SECRET, VERIFIER_HANDOFF="true")
    outcome = replay(line(GOOD, status=302), line(GOOD, status=301))
    assert (numbers(outcome)[0], not_asked(outcome)) == (1, {"redirect": 1})


def test_requests_that_the_web_server_refuses_are_no_part_of_the_ratio(replay: Replay) -> None:
    signalling = f"/http-bind?room=standup&token={token()}"
    lines = [line("/a?b", status=status) for status in (400, 408, 414, 494)]
    outcome = replay(*lines, line(signalling, status=400), line(GOOD, status=404))
    assert not_asked(outcome) == {"refused": 4}
    assert numbers(outcome) == (2, 0, {})


def test_log_without_any_query_is_no_part_of_the_ratio(replay: Replay) -> None:
    paths = ("/standup", "/http-bind", "/config.js")
    outcome = replay(*map(line, paths), line("/acme/xmpp-websocket", status=101))
    assert numbers(outcome) == (0, 0, {})
    assert not_asked(outcome) == {"public": 1, "no-query": 3}
    assert "leaves out the query" in outcome.json["notes"][0]
    caddy = [
        json.dumps({"request": {"uri": uri, "method": "GET"}, "ts": NOON, "status": 200}) + "\n"
        for uri in ("/standup", "/http-bind")
    ]
    assert not_asked(replay(*caddy)) == {"no-query": 2}
    assert not_asked(replay(*[line("/standup")] * 20)) == {"no-query": 20}


def test_one_query_shows_that_the_log_writes_queries(replay: Replay) -> None:
    outcome = replay(line("/standup"), line("/http-bind"), line("/libs/a.js?v=1"))
    assert numbers(outcome)[:2] == (0, 2)


def test_each_log_shows_for_itself_whether_it_writes_queries(run: Run, tmp_path: Path) -> None:
    with_query, without = tmp_path / "a.log", tmp_path / "b.log"
    with_query.write_text(line(GOOD) + line("/standup"))
    without.write_text(line("/standup") + line("/http-bind"))
    outcome = run("replay", str(with_query), str(without), "--json")
    assert numbers(outcome) == (1, 1, {"token-missing": 1})
    assert not_asked(outcome) == {"no-query": 2}
    assert outcome.json["lines"] == 4


LONG = {
    "token in the path": "/jwt=eyJ",
    "beginnings of tokens": "eyJ",
    "signed": "eyJhbGciOiJI.",
    "segments": "/a",
    "dots": "/..",
    "escapes": "%41",
    "broken escapes": "%",
    "encoded parameters": "jwt%253D",
    "escapes of the log": "\\x41",
    "parameters": "a=b&",
    "stars": "*",
    "brackets": "[redacted",
}


@pytest.mark.parametrize("part", LONG.values(), ids=LONG)
@pytest.mark.parametrize("before", ["/", "/standup?jwt=", "/http-bind?room="])
def test_calls_for_a_long_line_grow_at_most_with_its_length(
    replay: Replay, part: str, before: str
) -> None:
    def calls(length: int) -> int:
        count = 0

        def profile(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        text = line(before + part * (length // len(part)))
        replay(line(GOOD))  # what is made once is not counted
        sys.setprofile(profile)
        try:
            replay(*[text] * 3)
        finally:
            sys.setprofile(None)
        return count

    assert calls(200_000) < 2.2 * calls(100_000)


def test_huge_lines_are_dropped_and_the_others_counted(replay: Replay) -> None:
    huge = line("/a?" + "x" * 10_000_000)
    outcome = replay(line(GOOD), huge, line("/b?" + "x" * 100_000), huge, line(GOOD))
    assert numbers(outcome)[0] == 2
    assert outcome.json["unreadable"]["count"] == 2
    assert outcome.json["lines"] == 5


def test_examples_name_the_line_and_contain_no_token(replay: Replay) -> None:
    bad = token(key="another-secret-of-more-than-32-bytes")
    doubled = bad.replace(".", "%2E")
    outcome = replay(
        line(GOOD),
        line(f"/standup?jwt={bad}&lang=de"),
        line(f"/http-bind?room=standup&token={bad}"),
        line(f"/standup%3Fjwt%3D{bad}"),
        line(f"/standup%253Fjwt%253D{doubled}"),
        line(f"/{bad}?room={bad}&token={bad}"),
        line("/evil\\x1B[2J"),
        options=(),
    )
    assert outcome.status == 0
    assert "access.log:2  2026-11-22 12:00:00  /standup?jwt=…" in outcome.out
    assert "access.log:3  2026-11-22 12:00:00  /http-bind?room=standup&token=…" in outcome.out
    assert "/standup%3Fjwt…" in outcome.out
    assert "/standup%253Fjwt…" in outcome.out
    assert "\x1b" not in outcome.out
    assert not any(part in outcome.out for part in bad.split("."))
    assert SECRET not in outcome.out


def test_control_characters_of_claims_are_escaped(replay: Replay) -> None:
    bold = token(iss="\x1b[1m")
    out = replay(line(f"/standup?jwt={bold}"), options=()).out
    assert "issuer-not-accepted" in out
    assert "\x1b" not in out


def test_logs_are_opened_one_at_a_time(run: Run, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    names = [str(tmp_path / f"{number}.log") for number in range(100)]
    for name in names:
        Path(name).write_text(line(GOOD))
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 30, hard)
    )
    try:
        outcome = run("replay", *names, "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert numbers(outcome) == (100, 0, {})


def test_text_has_shares_codes_and_unreadable_lines(replay: Replay) -> None:
    outcome = replay(line(GOOD), line(GOOD), line(GOOD), line("/a"), "garbage\n", options=())
    words = [" ".join(row.split()) for row in outcome.out.splitlines()]
    assert words[0] == "5 lines, 2026-11-22 12:00:00 to 2026-11-22 12:00:00 UTC"
    assert {"allowed 3 75.0%", "denied 1 25.0%", "token-missing 1 25.0%"} < set(words)
    assert "could not be read 1" in words
    assert words[-1].endswith("access.log:5 neither nginx' combined form nor a JSON object")


def test_unreadable_lines_are_counted(replay: Replay) -> None:
    outcome = replay(b"\xff\x00\n", "{}\n", b"x" * 300_000 + b"\n", "-\n", line(GOOD))
    assert numbers(outcome) == (1, 0, {})
    unreadable = outcome.json["unreadable"]
    assert unreadable["count"] == 4
    assert [line["line"] for line in unreadable["first"]] == [1, 2, 3]
    assert unreadable["first"][2]["why"] == "longer than 262144 bytes"


def test_log_format_without_query_is_noted(replay: Replay) -> None:
    ours = (
        '10.0.0.1 [2026-11-22T12:00:00+00:00] "GET /standup HTTP/2.0" 200 5 0.001 '
        'gate=200 denial= id=0123456789abcdef "curl/8"\n'
    )
    outcome = replay(ours, ours)
    assert outcome.json["not_asked"]["no-query"] == 2
    assert "leaves out the query" in outcome.json["notes"][0]
    assert "there is no token in it" in outcome.json["notes"][0]


def test_log_without_any_token_is_noted(replay: Replay) -> None:
    assert "perhaps this log leaves the query out" in replay(line("/a"), options=()).out
    assert "perhaps" not in replay(line(GOOD), line("/a"), options=()).out


def test_logs_of_any_packing_and_standard_input_are_one_replay(run: Run, tmp_path: Path) -> None:
    packed, plain = tmp_path / "a.log", tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(line(GOOD).encode()))
    plain.write_text(record(GOOD) + record("/a"))
    outcome = run(
        "replay", str(packed), str(plain), "-", "--json", stdin=gzip.compress(line("/b").encode())
    )
    assert numbers(outcome) == (2, 2, {"token-missing": 2})
    read = [(Path(log["name"]).name, log["lines"], log["problem"]) for log in outcome.json["logs"]]
    assert read == [("a.log", 1, ""), ("b.gz", 2, ""), ("-", 1, "")]
    examples = outcome.json["examples"]
    assert [(Path(example["log"]).name, example["line"]) for example in examples] == [
        ("b.gz", 2),
        ("-", 1),
    ]


def test_truncated_log_is_reported_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "a.gz"
    log.write_bytes(gzip.compress(line(GOOD).encode() * 1000)[:-8])
    outcome = run("replay", str(log))
    assert outcome.status == 1
    assert "not read to its end: the gzip data ends too early" in outcome.out
    assert "allowed" in outcome.out


def test_fail_on_denied_ends_with_1_only_after_a_denial(replay: Replay) -> None:
    assert replay(line(GOOD), options=("--fail-on-denied",)).status == 0
    assert replay(line(GOOD), line("/a"), options=("--fail-on-denied",)).status == 1
    assert replay(line(GOOD), line("/a"), options=()).status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such.log"],
        ["/"],
        ["a\0b"],
        ["-", "--host", "a b"],
        ["-", "--field", "request"],
        ["-", "--field", "what=name"],
    ],
)
def test_unusable_arguments_are_wrong_usage(run: Run, arguments: list[str]) -> None:
    outcome = run("replay", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "expected" in outcome.err or "required" in outcome.err


def test_names_of_json_members_can_be_given(replay: Replay) -> None:
    written = json.dumps({"http": {"url": GOOD}, "when": NOON}) + "\n"
    options = ("--json", "--field", "target=http.url", "--field", "time=when")
    assert numbers(replay(written, options=options)) == (1, 0, {})
    assert replay(written).json["unreadable"]["count"] == 1


def test_websockets_written_at_their_end_are_noted(replay: Replay) -> None:
    stream = f"/xmpp-websocket?room=standup&token={token()}"
    late = replay(line(stream, NOON + 7200, status=101))
    assert "1 of the expired are websockets" in late.json["notes"][0]
    exact = record(stream, NOON + 7200, status="101", request_time="7000.0")
    assert numbers(replay(exact)) == (1, 0, {})


HOSTS = f"""
app_id = "app"
app_secret = "{SECRET}"
token_cookie = "jwt"
[hosts."a.example"]
app_id = "moodle"
[hosts."b.example"]
app_secret = "yet-another-secret-of-more-than-32-bytes"
"""


def test_each_host_has_its_own_rules_and_numbers(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    config, log = tmp_path / "v.toml", tmp_path / "a.log"
    configured()
    config.write_text(HOSTS)
    mine = f"/standup?jwt={token(iss='moodle')}"
    targets = ((mine, "a.example:443"), (mine, "B.example."), (GOOD, "x.example"), (GOOD, ""))
    log.write_text("".join(line(target, host=host) for target, host in targets))
    outcome = run("replay", str(log), "--json", "--config", str(config))
    hosts: dict[str, Any] = outcome.json["hosts"]
    assert hosts["a.example"] == {"allowed": 1, "denied": 0, "codes": {}}
    assert hosts["b.example"] == {"allowed": 0, "denied": 1, "codes": {"signature-invalid": 1}}
    assert hosts[""] == {"allowed": 2, "denied": 0, "codes": {}}
    assert any("--host names one" in note for note in outcome.json["notes"])
    assert any("Cookies are in no access log" in note for note in outcome.json["notes"])

    outcome = run("replay", str(log), "--config", str(config), "--host", "A.example")
    assert "a.example: allowed 1, denied 1  (issuer-not-accepted 1)" in outcome.out
    assert "(all other hosts): allowed 1, denied 0" in outcome.out


def test_bypassed_clients_need_no_token(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured(
        JWT_APP_ID="app",
        JWT_APP_SECRET=SECRET,
        VERIFIER_BYPASS="10.0.0.0/24",
        VERIFIER_TRUSTED_PROXIES="127.0.0.1",
    )
    log = tmp_path / "a.log"
    log.write_text(line("/standup") + line("/standup").replace("10.0.0.1", "10.9.0.1"))
    assert numbers(run("replay", str(log), "--json"))[:2] == (1, 1)


def test_strict_hosts_deny_other_hosts(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    config, log = tmp_path / "v.toml", tmp_path / "a.log"
    configured()
    config.write_text(f"strict_hosts = true\n{HOSTS}")
    log.write_text(line(GOOD, host="x.example"))
    outcome = run("replay", str(log), "--json", "--config", str(config))
    assert numbers(outcome)[2] == {"domain-mismatch": 1}


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.slow
def test_each_key_id_is_requested_once(
    replay: Replay, configured: Callable[..., None], private: rsa.RSAPrivateKey
) -> None:
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "k-1"}
    signed = {kid: token(private, "RS256", kid) for kid in ("k-1", "k-2")}
    with key_server(200, json.dumps({"keys": [jwk]}).encode()) as (url, requests):
        configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL=url)
        outcome = replay(*(line(f"/standup?jwt={signed[kid]}") for kid in ("k-1", "k-2") * 50))
    assert numbers(outcome) == (50, 50, {"key-unknown": 50})
    assert len(requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("option", ["JWT_CACHE_KEYS_URL", "JWT_ASAP_KEYSERVER"])
def test_silent_key_source_delays_only_a_few_lines(
    replay: Replay, configured: Callable[..., None], private: rsa.RSAPrivateKey, option: str
) -> None:
    targets = [f"/standup?jwt={token(private, 'RS256', f'k-{number}')}" for number in range(30)]
    with key_server(200, b"", silent=True) as (url, requests):
        configured(JWT_APP_ID="app", VERIFIER_KEY_FETCH_TIMEOUT="1", **{option: url})
        outcome = replay(*map(line, targets * 3))
    assert numbers(outcome) == (0, 90, {"keys-unavailable": 90})
    assert 1 <= len(requests) <= 3
    assert any("no response in time" in note for note in outcome.json["notes"])
    assert any("no source was asked for another" in note for note in outcome.json["notes"])


def test_offline_requests_no_keys(
    replay: Replay, configured: Callable[..., None], private: rsa.RSAPrivateKey
) -> None:
    with key_server(200, b"") as (url, requests):
        configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL=url)
        target = f"/standup?jwt={token(private, 'RS256', 'k-1')}"
        outcome = replay(line(target), options=("--json", "--offline"))
    assert numbers(outcome) == (0, 1, {"keys-unavailable": 1})
    assert requests == []
    assert outcome.json["notes"] == ["Keys from URLs were not fetched (--offline)."]


def test_log_removed_before_it_is_opened_is_a_problem(tmp_path: Path) -> None:
    with open_log(str(tmp_path / "access.log.1")) as lines:
        assert list(lines) == []
    assert lines.problem == "No such file or directory"

"""``why``: the search for decisions in audit logs and other logs of the service."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Outcome, Run
from tests.support.keys import Keys
from tests.support.rules import KEYS, NOW, POLICY, ROOM, mint
from verifier import AccessRequest, decide
from verifier.decisions.verifier import Verifier
from verifier.observability.audit_log import AuditLog
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext

NINE = datetime(2026, 11, 29, 9, tzinfo=UTC)
OTHER = {"found": "standup", "expected": "other", "code": "room-mismatch", "outcome": "denied"}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make UTC the time zone of this machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def line(seconds: float = 0, **fields: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(NINE.timestamp() + seconds, UTC)
    record = {"time": moment.isoformat(), "user_id": "u-1", "room": ROOM, "endpoint": "auth"}
    return {**record, **OTHER, **fields}


def written(*lines: dict[str, Any] | str) -> bytes:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    return "".join(f"{text}\n" for text in texts).encode()


@pytest.fixture
def why(run: Run, tmp_path: Path) -> Callable[..., Outcome]:
    """Return a function that searches these lines and, without other options, prints JSON."""

    def call(*lines: dict[str, Any] | str, options: tuple[str, ...] = ()) -> Outcome:
        log = tmp_path / "audit.log"
        log.write_bytes(written(*lines))
        return run("why", *(options or ("--json",)), str(log))

    return call


Why = Callable[..., Outcome]


def users(outcome: Outcome) -> list[str]:
    return [each["user_id"] for each in outcome.json["decisions"]]


def test_lines_of_the_sink_are_read_back(run: Run, tmp_path: Path) -> None:
    audit = AuditLog(str(tmp_path / "audit.log"))
    log, verifier = (
        DecisionLog([audit]),
        Verifier(POLICY, Keys(static=tuple(KEYS.static)), lambda: NOW),
    )
    context = LogContext("auth", 0.1, "r-1", client="203.0.113.7")
    for room in ("other", "standup"):
        user = {"user": {"id": "u-1", "name": "Ada"}}
        request = AccessRequest(mint(room=room, jti="t-1", context=user), ROOM)
        log.write(log.record(decide(request, POLICY, KEYS, NOW), request, inputs=verifier), context)
    audit.close()
    outcome = run("why", "--user", "u-1", str(tmp_path / "audit.log"))
    assert (outcome.status, outcome.err) == (0, "")
    denied, allowed = outcome.out.split("\n\n")
    assert "denied: room-mismatch" in denied
    for label, text in (
        ("why", "This token is for the room other; the link opens standup."),
        ("expected", "other"),
        ("found", "standup"),
        ("user", "Ada (u-1)"),
        ("client", "203.0.113.7"),
        ("token", "t-1"),
        ("request", "auth r-1"),
        ("see", "docs/denial-codes.md#room-mismatch"),
    ):
        assert f"  {label:9} {text}\n" in f"{denied}\n"
    assert "  change " in denied
    assert allowed.partition("\n")[0].endswith("allowed")
    assert "change" not in allowed


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["a", "b", "c", "7"]),
        (("--user", "a"), ["a", "a"]),
        (("--user", "Bob"), ["b"]),
        (("--user", "7"), ["7"]),
        (("--room", "Standup"), ["a", "b", "7", "a"]),
        (("--room", "[acme]retro@conference.example.org"), ["c"]),
        (("--room", "retro"), ["c"]),
        (("--room", "Acme/Retro"), ["c"]),
        (("--room", "other/retro"), []),
        (("--client", "::ffff:192.0.2.1"), ["b"]),
        (("--request-id", "r-2"), ["c"]),
        (("--request-id", "r-2", "--user", "a"), []),
        (("--user", "x"), []),
    ],
)
def test_filters_select_decisions(why: Why, options: tuple[str, ...], found: list[str]) -> None:
    outcome = why(
        line(user_id="a"),
        line(user_id="b", user_name="Bob", client="192.0.2.1"),
        line(user_id="c", room="[acme]retro@conference.example.org", request_id="r-2"),
        line(user_id=7),
        line(user_id="a", outcome="allowed", code=None, endpoint="verify"),
        options=("--json", *options),
    )
    assert [str(user) for user in users(outcome)] == found
    assert outcome.status == (0 if found else 1)


def test_names_that_json_escapes_are_found(why: Why) -> None:
    for name in ('Ada "the first" Lovelace', "Ådä\\", "a/b\u2028c"):
        outcome = why(
            line(user_name="Ada"), line(user_name=name), options=("--json", "--user", name)
        )
        assert [each["user_name"] for each in outcome.json["decisions"]] == [name]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--at", "2026-11-29T09:00Z"), ["1", "2"]),
        (("--at", "2026-11-29 10:00+01:00"), ["1", "2"]),
        (("--at", "2026-11-29 09:00"), ["1", "2"]),
        (("--at", "1795942800"), ["1", "2"]),
        (("--since", "2026-11-29 09:04"), ["2", "3"]),
        (("--until", "2026-11-29 09:04:58"), ["0", "1"]),
        (("--since", "2026-11-29", "--until", "2026-11-30"), ["0", "1", "2", "3"]),
    ],
)
def test_times_limit_the_search(why: Why, options: tuple[str, ...], found: list[str]) -> None:
    lines = (line(at, user_id=str(n)) for n, at in enumerate((-301, 0, 299, 301)))
    assert users(why(*lines, options=("--json", *options))) == found


def test_a_clock_time_is_the_last_one(why: Why) -> None:
    recent = datetime.fromtimestamp(time.time() - 7_200, UTC)
    today = line(recent.timestamp() - NINE.timestamp(), user_id="today")
    old = line(recent.timestamp() - NINE.timestamp() - 86_400, user_id="yesterday")
    clock = recent.strftime("%H:%M")
    assert users(why(old, today, options=("--json", "--at", clock))) == ["today"]
    assert users(why(old, today, options=("--json", "--since", "3h"))) == ["today"]


def test_rotated_files_are_searched_from_the_oldest(run: Run, tmp_path: Path) -> None:
    names = ["audit.log-20261101.gz", "audit.log.10.gz", "audit.log.2.gz", "audit.log.1"]
    for number, name in enumerate([*names, "audit.log"]):
        content = written(line(number, user_id=name))
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        os.utime(path, (0, NINE.timestamp() + number))
    for other in ("audit.log.bak", "audit.login", "other-audit.log"):
        (tmp_path / other).write_bytes(written(line(user_id="wrong")))
    log = str(tmp_path / "audit.log")
    assert users(run("why", "--json", log)) == [*names, "audit.log"]
    assert users(run("why", "--json", log, str(tmp_path / "audit.log.1"))) == [*names, "audit.log"]
    since = run("why", "--json", "--since", "2026-11-29T09:00:03Z", log)
    assert users(since) == [*names[3:], "audit.log"]
    assert since.json["lines"] == 2


def test_the_configured_audit_log_is_the_default(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(written(line()))
    basic = {"JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 40}
    configured(**basic, VERIFIER_AUDIT_LOG=str(log))
    assert run("why", "--user", "u-1").status == 0
    for target in ("stdout", "syslog", None):
        configured(**basic, **({"VERIFIER_AUDIT_LOG": target} if target else {}))
        outcome = run("why", "--user", "u-1")
        assert outcome.status == 2
        assert f"audit_log is {target or 'off'}; expected a file, or -" in outcome.err


def test_lines_of_other_logs_are_read(run: Run) -> None:
    event = {"time": NINE.isoformat(), "level": "info", "event": "denied", "code": "room-mismatch"}
    texts: list[dict[str, Any] | str] = [
        {"user_id": "log", **event},
        "Nov 29 09:00:00 host jitsi-verifier: " + json.dumps(line(user_id="syslog")),
        "verifier-1  | " + json.dumps({"user_id": "compose", **event}),
        {"MESSAGE": json.dumps({"user_id": "journal", **event}), "_PID": "7"},
        {"MESSAGE": list(json.dumps({"user_id": "bytes", **event}).encode())},
        {"log": json.dumps({"user_id": "docker", **event}) + "\n", "stream": "stderr"},
        {**event, "event": "would deny", "user_id": "would"},
        {**event, "event": "serving"},
        "",
    ]
    outcome = run("why", "--json", "-", stdin=written(*texts))
    assert users(outcome) == ["log", "syslog", "compose", "journal", "bytes", "docker", "would"]
    assert outcome.json["unreadable"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "{",
        "[]",
        "{}",
        '{"outcome": "denied"}',
        '{"outcome": ["denied"], "time": "2026-11-29T09:00:00+00:00"}',
        '{"outcome": "denied", "time": 7}',
        '{"outcome": "denied", "time": "0001-01-01T00:00:00+14:00"}',
        '{"outcome": "denied", "time": "9999-12-31T23:59:59-14:00"}',
        '{"MESSAGE": [999], "a": 1}',
        '{"MESSAGE": null}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "x" * 300_000,
    ],
)
def test_bad_lines_are_counted(why: Why, text: str) -> None:
    outcome = why(line(), text, line(user_id="u-2"))
    assert users(outcome) == ["u-1", "u-2"]
    assert (outcome.status, outcome.json["unreadable"]) == (0, 1)
    assert "1 lines are not of this program's log, or cut off" in outcome.err


def test_equal_decisions_are_printed_once(why: Why) -> None:
    same = [line(n, request_id=f"r-{n}", detail=f"expired {n} s ago") for n in range(3)]
    outcome = why(*same, line(9, user_id="u-2"), line(10))
    assert [each["count"] for each in outcome.json["decisions"]] == [3, 1, 1]
    text = why(*same, options=("--user", "u-1")).out
    assert "(3 times until 2026-11-29 09:00:02 +0000)" in text


def test_only_the_last_decisions_are_kept(why: Why) -> None:
    lines = [line(n, user_id=f"u-{n}") for n in range(30)]
    outcome = why(*lines)
    assert users(outcome) == [f"u-{n}" for n in range(10, 30)]
    assert (outcome.json["matched"], outcome.json["left_out"]) == (30, 10)
    assert "10 earlier decisions are not shown; --last NUMBER shows more" in outcome.err
    assert len(users(why(*lines, options=("--json", "--last", "30")))) == 30


def test_nothing_found_is_status_1(why: Why) -> None:
    outcome = why(line(), options=("--user", "u-9"))
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(
        "jitsi-verifier: no such decision in 1 lines. A line has a user only"
    )


def test_text_of_a_client_cannot_control_the_terminal(why: Why) -> None:
    hostile = "\x1b[2J\r\n2026-11-29 09:00:00 +0000  allowed\u202e"
    out = why(
        line(user_name=hostile, room=hostile, found=hostile, client=hostile, cure=hostile),
        options=("--user", "u-1"),
    ).out
    assert all(character.isprintable() or character == "\n" for character in out)
    assert "\n2026-11-29 09:00:00 +0000  allowed" not in out


def test_a_denial_without_its_cause_is_explained_by_its_code(why: Why) -> None:
    outcome = why(line(code="token-missing"), options=("--user", "u-1"))
    assert "why       The request has no token, and guests are not allowed." in outcome.out
    assert "change    Send the token as ?jwt=, or set allow_empty_token." in outcome.out
    newer = why(line(code="code-of-2030", detail="something new"), options=("--user", "u-1"))
    assert "why       something new" in newer.out
    assert "docs/" not in newer.out


def test_damaged_log_is_reported(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(gzip.compress(written(line(), line(user_id="u-2")))[:-9])
    outcome = run("why", "--json", str(log))
    assert outcome.status == 0
    assert outcome.json["problems"] == {str(log): "the gzip data ends too early"}
    assert "not read to its end: the gzip data ends too early" in outcome.err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--at", "nine"), "expected a time such as 09:00"),
        (("--at", "25:00"), "expected a time such as 09:00"),
        (("--at", "0h"), "expected a time"),
        (("--at", ""), "expected a time such as 09:00"),
        (("--at", "09:00", "--since", "1h"), "--at: expected it without --since and --until"),
        (("--since", "1h", "--until", "2h"), "--since: expected a time before"),
        (("--last", "0"), "expected a number from 1 to 10000"),
        (("--client", "ada"), "expected an IP address"),
        (("--user", ""), "expected text, found none"),
        (("--room", "!"), "expected a name that the web client could send"),
        (("/no/such/audit.log",), "/no/such/audit.log: No such file or directory; expected"),
        (("/usr",), "Is a directory; expected a log file"),
    ],
)
def test_wrong_arguments_are_refused(why: Why, options: tuple[str, ...], error: str) -> None:
    outcome = why(line(), options=options)
    assert (outcome.status, outcome.out) == (2, "")
    assert error in outcome.err


def test_hour_that_comes_twice_is_searched_twice(
    why: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    lines = [line(time=f"2026-10-25T0{hour}:30:00+00:00", user_id=f"u-{hour}") for hour in range(4)]
    for at, found in (("02:30", ["u-0", "u-1"]), ("03:30", ["u-2"]), ("02:30+01:00", ["u-1"])):
        outcome = why(*lines, options=("--json", "--at", f"2026-10-25 {at}"))
        decisions = json.loads(outcome.out)["decisions"]
        assert [each["user_id"] for each in decisions] == found

"""A request for a path that is no endpoint leaves a line in the log, but not many."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.decision_listener import DecisionListener, Setup, receive
from tests.support.heads import ENDPOINTS, GOOD, HOST, head, write_head
from verifier.http.request import Request
from verifier.http.unknown_paths import UnknownPaths

FIELDS = [("Host", HOST), ("X-Original-URI", f"/standup?jwt={GOOD}")]


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The fields of the lines so far."""
    found: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() in {"unknown path", "wrong method"}:
                assert record.levelno == logging.WARNING
                found.append(record.fields)  # type: ignore[attr-defined]  # log() sets it

    handler, logger = Keep(), logging.getLogger("verifier")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.mark.parametrize("path", ["/verify", "/auth/", "/ext-authz", "/", "/jitsi/auth?x=1"])
def test_unknown_path_is_logged_with_the_endpoints(path: str, lines: list[Any]) -> None:
    listener = DecisionListener(Setup())
    first, second = receive(listener, *[write_head("GET", path, FIELDS)] * 2)
    assert first.status == second.status == 404
    (line,) = lines
    assert (line["path"], line["method"]) == (path.partition("?")[0], "GET")
    detail = json.loads(first.body)["detail"]
    for endpoint in (*ENDPOINTS, "v1/verify"):
        assert f"/{endpoint}" in line["endpoints"]
        assert f"/{endpoint}" in detail


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/verify", "POST"),
        ("HEAD", "/v1/verify", "POST"),
        ("POST", "/access", "GET"),
        ("PUT", "/check_password", "GET"),
        ("PUT", "/user_exists", "GET"),
    ],
)
def test_wrong_method_is_logged_with_the_expected_one(
    method: str, path: str, expected: str, lines: list[Any]
) -> None:
    listener = DecisionListener(Setup())
    for response in receive(listener, *[write_head(method, f"{path}?jwt={GOOD}", FIELDS)] * 2):
        assert response.status == 405
    assert lines == [{"path": path, "method": method, "expected": expected}]


def test_no_line_contains_a_token(lines: list[Any]) -> None:
    listener = DecisionListener(Setup())
    targets = (f"/{GOOD}", f"/verify?jwt={GOOD}", f"/room%3Fjwt={GOOD}", f"/a/{GOOD}/b")
    receive(listener, *[write_head("GET", target, FIELDS) for target in targets])
    assert len(lines) == 4
    assert not [part for part in GOOD.split(".") if part[:12] in str(lines)]


def test_endpoints_are_not_logged(lines: list[Any]) -> None:
    listener = DecisionListener(Setup())
    receive(
        listener,
        *map(head, ENDPOINTS),
        *[write_head("GET", path, FIELDS) for path in ("/healthz", "/access", "/user_exists")],
    )
    assert lines == []


def test_lines_are_bounded_in_number(lines: list[Any]) -> None:
    now = 0.0
    paths = UnknownPaths("/auth", lambda: now)
    for minute in range(3):
        now = minute * 60.0
        for _ in range(2):
            for number in range(100):
                paths.note(Request("GET", f"/{number}", {}, {}))
    assert [line["path"] for line in lines] == [f"/{number}" for number in range(20)] * 3
    assert [line.get("not_logged") for line in lines[::20]] == [None, 160, 160]


def test_long_path_is_cut(lines: list[Any]) -> None:
    UnknownPaths("/auth").note(Request("GET", "/" + "a" * 16_000, {}, {}))
    assert len(lines[0]["path"]) == 200

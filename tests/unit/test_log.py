from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from verifier import log

Written = Callable[[], list[str]]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    root = logging.getLogger()
    before = (log.LOGGER.handlers[:], root.handlers[:], log.LOGGER.level, log.LOGGER.propagate)

    def read() -> list[str]:
        return capsys.readouterr().err.splitlines()

    yield read
    log.LOGGER.handlers[:], root.handlers[:], log.LOGGER.level, log.LOGGER.propagate = before


def lines(written: Written) -> list[dict[str, object]]:
    return [json.loads(line) for line in written()]


def test_line_is_one_json_object_with_named_fields(written: Written) -> None:
    log.configure_logging("json", "info")
    log.log("denied", code="token-expired", room=None, count=2)
    (line,) = lines(written)
    assert line.keys() == {"time", "level", "event", "code", "count"}
    assert (line["level"], line["event"], line["code"]) == ("info", "denied", "token-expired")


def test_values_are_cut_and_tokens_replaced(written: Written) -> None:
    log.configure_logging("json", "info")
    token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcHAifQ.c2lnbmF0dXJl"
    pretty = "ewogICJhbGciOiAiSFMyNTYiCn0.ewogICJpc3MiOiAiYXBwIgp9.c2ln"
    log.log("denied", long="x" * 5000, room=f"a{token}", other=pretty.lower(), bad="\udcff")
    (line,) = lines(written)
    assert len(str(line["long"])) == 200
    assert (line["room"], line["other"], line["bad"]) == ("a[token]", "[token]", "?")


def test_console_format_is_one_line(written: Written) -> None:
    log.configure_logging("console", "debug")
    log.log("denied", logging.WARNING, room="a\nb")
    (line,) = written()
    assert line.endswith('warning denied room="a\\nb"')


def test_lines_below_the_level_are_not_written(written: Written) -> None:
    log.configure_logging("json", "warning")
    log.log("allowed", logging.DEBUG)
    log.log("denied")
    assert lines(written) == []


def test_internal_error_is_not_cut(written: Written) -> None:
    log.configure_logging("json", "info")
    log.log_internal_error("ValueError at " + "/a/long/path.py:1 < " * 50)
    assert len(str(lines(written)[0]["at"])) > 900


def test_library_warning_is_one_line_without_traceback(written: Written) -> None:
    log.configure_logging("json", "info")
    try:
        raise ValueError("value of a request")  # noqa: TRY301  # caught below
    except ValueError:
        logging.getLogger("some.package").exception("it went wrong")
    (line,) = lines(written)
    assert line["event"] == "it went wrong"
    assert "value of a request" not in str(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_library_message_is_one_line_without_token(
    written: Written, log_format: Literal["json", "console"]
) -> None:
    log.configure_logging(log_format, "info")
    token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcHAifQ.c2lnbmF0dXJl"
    logging.getLogger("asyncio").error("Task exception\nfuture: <Task exception=E('%s')>", token)
    (line,) = written()
    assert "Task exception future: <Task exception=E('[token]')>" in line
    assert "eyJ" not in line

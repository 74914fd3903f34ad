from __future__ import annotations

import json
import logging
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.processes import wait_until
from verifier import AccessRequest, DenialCode, Deny
from verifier.observability.audit_log import AuditLog, LostLines
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext

CONTEXT = LogContext("auth", 0.001, "r-1")
RECORD = {"outcome": "denied", "code": "room-mismatch", "room": "standup", "detail": "not for here"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_decision_is_one_json_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path))
    audit.write(RECORD, CONTEXT)
    user = {"user_id": "?\nÄ", "user_name": '", "client": "1.2.3.4"\n{'}
    context = LogContext("verify", 0.001, client="203.0.113.7")
    audit.write({"outcome": "allowed", **user}, context)
    audit.close()
    denied, allowed = lines(path)
    assert denied.pop("time").endswith("+00:00")
    assert denied == {
        "outcome": "denied",
        "code": "room-mismatch",
        "detail": "not for here",
        "room": "standup",
        "endpoint": "auth",
        "request_id": "r-1",
    }
    assert allowed["user_id"] == "?\nÄ"
    assert (allowed["client"], allowed["user_name"]) == ("203.0.113.7", user["user_name"])


def test_tokens_are_replaced_in_audit_lines(tmp_path: Path) -> None:
    path, token = tmp_path / "audit.log", "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcHAifQ.c2lnbmF0dXJl"
    audit = AuditLog(str(path))
    log = DecisionLog([audit])
    record = log.record(Deny(DenialCode.ROOM_MISMATCH, token), AccessRequest(None, token))
    log.write(record, LogContext("auth", 0.1, f"id-{token}"))
    audit.close()
    (line,) = lines(path)
    assert (line["room"], line["detail"], line["request_id"]) == (
        "[token]",
        "[token]",
        "id-[token]",
    )


def test_rotated_file_is_opened_again(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    audit = AuditLog(str(path))
    audit.write(RECORD, CONTEXT)
    wait_until(lambda: path.stat().st_size > 0, "the first line")
    path.rename(old)
    audit.write(RECORD, CONTEXT)
    audit.close()
    assert (len(lines(old)), len(lines(path))) == (1, 1)


def test_other_users_cannot_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    AuditLog(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_syslog_line_starts_with_program_name(tmp_path: Path) -> None:
    address = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(address)
        daemon.settimeout(10)
        audit = AuditLog("syslog", address)
        audit.write(RECORD, CONTEXT)
        datagram = daemon.recv(4096)
        audit.close()
    assert datagram.startswith(b"<86>jitsi-verifier: {")  # authpriv.info
    assert json.loads(datagram[datagram.index(b"{") :].rstrip(b"\0"))["code"] == "room-mismatch"


def test_full_disk_is_reported_at_once_and_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("verifier"), "propagate", True)
    audit = AuditLog("/dev/full")
    for _ in range(50):
        audit.write(RECORD, CONTEXT)
    audit.close()
    assert {record.message for record in caplog.records} == {"audit log: lines lost"}
    reports = [record.__dict__["fields"] for record in caplog.records]
    assert len(reports) == 2  # after the first lost line, and at the end for the others
    assert {report["error"] for report in reports} == {"No space left on device"}
    assert sum(report["count"] for report in reports) == 50


def test_lost_lines_are_reported_once_per_interval(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("verifier"), "propagate", True)
    moments = (100.0, 105.0, 109.0, 110.0, 120.0)
    lost = LostLines(iter(moments).__next__)
    for _ in moments:
        lost.add("reason")
        lost.report()
    lost.report()
    assert [record.__dict__["fields"]["count"] for record in caplog.records] == [1, 3, 1]


def test_syslog_may_start_after_the_service(tmp_path: Path) -> None:
    address = str(tmp_path / "log")
    audit = AuditLog("syslog", address)
    audit.write(RECORD, CONTEXT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(address)
        daemon.settimeout(10)
        audit.write(RECORD, CONTEXT)
        assert b"room-mismatch" in daemon.recv(4096)
        audit.close()


def test_standard_output_gets_lines_unless_it_is_closed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditLog("stdout")
    audit.write(RECORD, CONTEXT)
    audit.close()
    assert json.loads(capfd.readouterr().out)["code"] == "room-mismatch"
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="Bad file descriptor"):
        AuditLog("stdout")


WRITE_TO_UNREAD_TARGET = """
import sys
from verifier.observability import audit_log
from verifier.observability.sinks import LogContext
from verifier.log import configure_logging

configure_logging("json", "info")
audit_log.CLOSE_TIMEOUT = 0.2
log = audit_log.AuditLog(sys.argv[1])
for _ in range(500):
    denied = {"outcome": "denied", "room": "r" * 190, "tenant": "t" * 190}
    log.write(denied, LogContext("auth", 0.1))
log.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["stdout", "a pipe"])
def test_unread_target_does_not_block_process_end(tmp_path: Path, target: str) -> None:
    fifo = tmp_path / "unread"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    argument = "stdout" if target == "stdout" else str(fifo)
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_TO_UNREAD_TARGET, argument],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.wait(20) == 0
            assert process.stderr is not None
            report = json.loads(process.stderr.read())
        finally:
            process.kill()
    os.close(reader)
    assert (report["event"], report["error"]) == (
        "audit log: lines lost",
        "the target accepts no more lines",
    )
    assert 0 < report["count"] < 500


def test_lines_beyond_full_queue_are_counted_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.observability.audit_log.QUEUE_LENGTH", 2)
    monkeypatch.setattr(logging.getLogger("verifier"), "propagate", True)
    fifo = tmp_path / "unread"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    audit = AuditLog(str(fifo))
    filler = RECORD | {"room": "r" * 190, "tenant": "t" * 190, "user_id": "u" * 190}
    for _ in range(400):  # the pipe holds 64 KB, the queue two lines
        audit.write(filler, CONTEXT)
    reader_thread = Thread(target=_read_to_the_end, args=(fifo, reader))
    reader_thread.start()
    wait_until(lambda: _is_reported(audit, filler, caplog), "a report of lost lines")
    audit.close()
    reader_thread.join()
    assert caplog.records[0].message == "audit log: lines lost"


def _is_reported(audit: AuditLog, filler: dict[str, str], caplog: pytest.LogCaptureFixture) -> bool:
    audit.write(filler, CONTEXT)
    return bool(caplog.records)


def _read_to_the_end(fifo: Path, reader: int) -> None:
    with fifo.open("rb") as pipe:
        os.close(reader)
        while pipe.read(65536):
            pass

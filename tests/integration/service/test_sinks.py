"""Audit log, spans and report-only mode of a running service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, active_count
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.processes import Answer, get, post, running_verifier, wait_until
from tests.support.tokens import SECRET, sign
from verifier.observability.decision_log import DecisionSinks, SinkError

CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "jti": "t-1"}
OPTIONS = f"""
app_id = "app"
app_secret = "{SECRET}"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
"""


def configured(tmp_path: Path, more: str) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(OPTIONS + more)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def would_deny(answer: Answer) -> str:
    return answer.headers["X-Jitsi-Would-Deny"]


def ask(port: int, room: str, **headers: str) -> Answer:
    return get(port, "/auth", {"X-Original-URI": f"/{room}?jwt={sign(CLAIMS)}", **headers})


def test_cached_decisions_and_those_after_reload_are_audited(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.log"
    with running_verifier(tmp_path, configured(tmp_path, f'audit_log = "{path}"\n')) as verifier:
        for room in ("standup", "standup", "other"):
            ask(verifier.port, room)
        wait_until(lambda: len(lines(path)) == 3, "three lines")
        path.rename(tmp_path / "audit.log.1")
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.metric('config_reloads_total{result="ok"}') == 1, "reload")
        ask(verifier.port, "standup", **{"X-Request-Id": "r-7"})
        wait_until(lambda: path.exists() and len(lines(path)) == 1, "a new file")
    first = lines(tmp_path / "audit.log.1")
    assert [each["outcome"] for each in first] == ["allowed", "allowed", "denied"]
    assert first[2]["code"] == "room-mismatch"
    assert {each["token_id"] for each in first} == {"t-1"}
    assert lines(path)[0]["request_id"] == "r-7"
    assert "eyJ" not in path.read_text() + (tmp_path / "audit.log.1").read_text()


def test_unwritable_audit_log_ends_the_start(tmp_path: Path) -> None:
    config = configured(tmp_path, f'audit_log = "{tmp_path}/no/such/folder.log"\n')
    done = subprocess.run(
        [sys.executable, "-m", "verifier", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == os.EX_CONFIG
    assert "audit_log" in done.stderr
    assert "No such file or directory" in done.stderr


def test_failed_sink_closes_the_other_sinks(tmp_path: Path) -> None:
    before = active_count()
    with pytest.raises(SinkError, match="No such file"):
        DecisionSinks(f"{tmp_path}/no/such/folder.log", tracing=True)
    assert active_count() == before


def test_report_only_allows_counts_and_explains_denials(tmp_path: Path) -> None:
    config = configured(tmp_path, 'mode = "report-only"\ndenied_redirect_url = "https://x.test/"\n')
    with running_verifier(tmp_path, config) as verifier:
        for _ in range(2):
            answer = ask(verifier.port, "other")
            headers = answer.headers
            assert (answer.status, headers["X-Jitsi-Would-Deny"]) == (200, "room-mismatch")
            assert (headers["X-Jitsi-User-Id"], headers["X-Jitsi-Moderator"]) == ("-", "false")
            assert (headers["X-Jitsi-Room"], headers["X-Jitsi-Affiliation"]) == ("-", "none")
            assert headers["Cache-Control"] == "no-store"
            assert not {"X-Accel-Expires", "X-Jitsi-Denial", "X-Jitsi-Redirect"} & set(headers)
        answer = ask(verifier.port, "standup")
        assert (answer.status, answer.headers["X-Jitsi-Room"]) == (200, "standup")
        assert "X-Jitsi-Would-Deny" not in answer.headers
        name = 'decisions_total{code="room-mismatch",endpoint="auth",outcome="%s"}'
        assert verifier.metric(name % "would-deny") == 2
        assert verifier.metric(name % "denied") == 0
        logged = [each for each in lines(verifier.log_path) if each["event"] == "would deny"]
    assert (logged[0]["step"], logged[0]["expected"]) == ("room", "standup")
    assert logged[0]["cure"]


def test_report_only_denies_on_no_endpoint(tmp_path: Path) -> None:
    with running_verifier(tmp_path, configured(tmp_path, 'mode = "report-only"\n')) as verifier:
        access = get(verifier.port, "/access")
        password = get(verifier.port, "/check_password?user=a&pass=x&server=h")
        verdict = post(verifier.port, "/v1/verify", b'{"token": "x"}')
    assert (access.body, would_deny(access)) == ('{"access": true}', "token-missing")
    assert (password.body, would_deny(password)) == ("true", "token-malformed")
    assert verdict.json["allowed"]
    assert (verdict.json["affiliation"], verdict.json["session"]) == (None, {})


class _Collector(BaseHTTPRequestHandler):
    received: ClassVar[list[ExportTraceServiceRequest]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def collector() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_spans_are_sent_to_the_collector(tmp_path: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with collector() as port:
        config, endpoint = configured(tmp_path, "tracing = true\n"), f"http://127.0.0.1:{port}"
        with running_verifier(tmp_path, config, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as verifier:
            ask(verifier.port, "standup", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    (export,) = _Collector.received
    (span,) = export.resource_spans[0].scope_spans[0].spans
    assert (span.name, span.trace_id.hex()) == ("decision", trace)
    assert "eyJ" not in str(export)

"""Shutdown: no new requests, answers for the requests in flight, and a limit on the time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import COMMAND, RunningVerifier, running_verifier, wait_until
from tests.support.tokens import SECRET
from tests.support.waiting_keys import begin_request, waiting_key_server
from verifier.process.shutdown import shutdown_seconds

MARGIN = 5.0  # seconds, for a busy machine


def options(workers: int, drain_timeout: str) -> dict[str, str]:
    return {
        "JWT_APP_ID": "app",
        "VERIFIER_WORKERS": str(workers),
        "VERIFIER_DRAIN_TIMEOUT": drain_timeout,
        "VERIFIER_KEY_FETCH_TIMEOUT": "60",
    }


def connect(port: int, head: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(head)
    return client


def idle(port: int) -> socket.socket:
    client = connect(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    return client


def is_refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def read_all(client: socket.socket) -> bytes:
    """Read until the connection ends, and close it."""
    answer = b""
    with client:
        while piece := client.recv(4096):
            answer += piece
    return answer


def test_sigterm_early_in_the_start_exits_with_zero(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    os.mkfifo(config)  # its reader waits until the test opens it for writing
    command = [str(COMMAND), "serve", "--config", str(config)]
    with subprocess.Popen(command, env={"PATH": os.environ["PATH"]}) as started, config.open("wb"):
        # The service is reading by now, because opening a FIFO waits for a reader.
        started.terminate()
        assert started.wait(20) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_drain_closes_idle_connections_and_answers_requests_in_flight(
    tmp_path: Path, workers: int
) -> None:
    given = options(workers, "60")
    with (
        waiting_key_server() as keys,
        running_verifier(tmp_path, None, wait=True, **keys.environ, **given) as verifier,
    ):
        waiting = [begin_request(verifier) for _ in range(6)]
        silent = [idle(verifier.port), idle(verifier.admin), connect(verifier.port, b"GET /auth")]
        wait_until(lambda: verifier.metric("in_flight") == 6, "in flight")
        verifier.process.terminate()
        for client in silent:
            assert read_all(client) == b""
        for port in (verifier.port, verifier.admin):
            wait_until(lambda: is_refused(port), "no listener")  # noqa: B023  # called at once
        assert verifier.process.poll() is None
        keys.answer.set()
        for client in waiting:
            answer = read_all(client)
            assert b"X-Jitsi-Denial: key-unknown" in answer
            assert b"\r\nConnection: close\r\n" in answer
        assert verifier.process.wait(20) == 0
        assert "drain timeout" not in verifier.log


@pytest.mark.parametrize("workers", [1, 2])
def test_drain_timeout_closes_connections_with_open_requests(tmp_path: Path, workers: int) -> None:
    given = options(workers, "0.5")
    with (
        waiting_key_server() as keys,
        running_verifier(tmp_path, None, wait=True, **keys.environ, **given) as verifier,
    ):
        request = begin_request(verifier)
        wait_until(lambda: verifier.metric("in_flight") == 1, "in flight")
        body = b"POST /v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        explain = connect(verifier.admin, body + b"Content-Type: application/json\r\n\r\n{")
        wait_until(lambda: is_read(explain), "the head is read")
        verifier.process.terminate()
        assert verifier.process.wait(shutdown_seconds(0.5) + MARGIN) == 0
        assert {read_all(request), read_all(explain)} == {b""}
        assert counts(verifier) == 2
        assert "Traceback" not in verifier.log
        assert "shutdown timeout" not in verifier.log


def is_read(client: socket.socket) -> bool:
    """Return whether the service has read everything, by the kernel's send and receive queues."""
    ends = [f":{name[1]:04X}" for name in (client.getpeername(), client.getsockname())]
    rows = map(str.split, Path("/proc/net/tcp").read_text("ascii").splitlines())
    (row,) = [row for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
    return row[4].endswith(":00000000")


def counts(verifier: RunningVerifier) -> int:
    """Return the number of connections that the log says were closed by the timeout."""
    lines = [json.loads(line) for line in verifier.log.splitlines()]
    return sum(
        line["count"] for line in lines if line["event"] == "drain timeout: connections closed"
    )


def test_reload_changes_the_drain_timeout(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    with waiting_key_server() as keys:
        text = f'app_id = "app"\nasap_key_server = "{keys.environ["JWT_ASAP_KEYSERVER"]}"\n'
        config.write_text(f"{text}key_fetch_timeout = 60\ndrain_timeout = 60\nworkers = 2\n")
        with running_verifier(tmp_path, config) as verifier:
            config.write_text(config.read_text().replace("drain_timeout = 60", "drain_timeout = 1"))
            verifier.process.send_signal(signal.SIGHUP)
            wait_until(lambda: verifier.log.count('"configuration reloaded"') == 2, "reloads")
            request = begin_request(verifier)
            wait_until(lambda: verifier.metric("in_flight") == 1, "in flight")
            verifier.process.terminate()
            assert read_all(request) == b""
            assert verifier.process.wait(shutdown_seconds(1) + MARGIN) == 0
            assert counts(verifier) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_silent_trace_collector_does_not_delay_the_end(tmp_path: Path, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = {
            "VERIFIER_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{1}".format(*silent.getsockname()),
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
            "JWT_APP_SECRET": SECRET,
            **options(workers, "3"),
        }
        with running_verifier(tmp_path, None, wait=True, **given) as verifier:
            verifier.ask("/standup")
            verifier.process.terminate()
            assert verifier.process.wait(shutdown_seconds(3) + MARGIN) == 0
            assert "Traceback" not in verifier.log
            assert "shutdown timeout" not in verifier.log


ENDLESS_THREAD = """
import logging, sys, threading
from verifier.process.shutdown import exit_within
from verifier.log import configure_logging
configure_logging("json", "info")
exit_within(0.2)
threading.Event().wait()
"""


def test_endless_thread_does_not_prevent_the_exit() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDLESS_THREAD], stderr=subprocess.PIPE, timeout=20, check=True
    )
    assert json.loads(ended.stderr)["event"] == "shutdown timeout: process exits"

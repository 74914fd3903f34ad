"""Blocked event loops: systemd finds them, or the supervisor if a worker is blocked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.lifecycle.manager import managed
from tests.support.processes import COMMAND, free_port, wait_until
from tests.support.supervised import has_ended, running_workers, token, wait_for_restarts, workers
from tests.support.tokens import SECRET
from verifier.config import load
from verifier.process.sockets import Listeners
from verifier.process.supervisor import Supervisor
from verifier.process.systemd import Notifier
from verifier.process.worker import WorkerJob

WATCHDOG = 3.0  # seconds; a heartbeat is sent every second


def test_blocked_event_loop_sends_no_heartbeat(tmp_path: Path) -> None:
    """The log is a pipe without a reader. When the pipe is full, the event loop blocks."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    port = free_port()
    with managed(tmp_path) as manager, contextlib.ExitStack() as stack:
        environ = {
            "PATH": os.environ["PATH"],
            "JWT_APP_ID": "app",
            "JWT_APP_SECRET": SECRET,
            "VERIFIER_LISTEN": f"127.0.0.1:{port}",
            "VERIFIER_ADMIN_LISTEN": f"unix:{tmp_path / 'admin'}",
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(int(WATCHDOG * 1_000_000)),
        }
        process = subprocess.Popen([str(COMMAND), "serve"], env=environ, stderr=write)
        stack.callback(process.wait, 20)
        stack.callback(process.kill)
        os.close(write)
        manager.wait_for("READY")
        manager.wait_for("WATCHDOG")
        manager.wait_for("WATCHDOG")
        with pytest.raises(TimeoutError):
            fill_the_log(port)
        manager.drop()
        assert manager.is_silent_for(WATCHDOG)
        stack.callback(os.close, read)
        while not os.read(read, 4096).endswith(b"}\n"):
            pass
        manager.wait_for("WATCHDOG")


def fill_the_log(port: int) -> None:
    """Send denied requests until no answer comes; each denial is one line in the log."""
    for _ in range(90):
        send_denied_request(port)


def send_denied_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
        client.sendall(b"GET /ext-authz/standup HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 401")


def test_blocked_worker_is_replaced_while_systemd_gets_heartbeats(tmp_path: Path) -> None:
    with managed(tmp_path) as manager:
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "9000000"}
        with running_workers(tmp_path, None, 2, **environ) as verifier:
            blocked, other = workers(verifier)
            os.kill(blocked, signal.SIGSTOP)
            manager.drop()
            wait_for_restarts(verifier, 1, listening=2)
            assert '"worker blocked: killed"' in verifier.log
            assert has_ended(blocked)
            assert other in workers(verifier)
            manager.wait_for("WATCHDOG")
            assert verifier.ask("/standup", token()).status == 200
            assert manager.senders == {verifier.process.pid}


def test_suspended_supervisor_kills_no_worker(tmp_path: Path) -> None:
    now = 0.0
    settings = load({"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_WORKERS": "2"})
    job = WorkerJob(settings, lambda: settings, Listeners(), tmp_path)
    with (
        managed(tmp_path) as manager,
        subprocess.Popen(["sleep", "600"]) as worker,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(worker.kill)
        supervisor = Supervisor(2, job, Notifier(manager.address, 45.0), lambda: now)
        supervisor._workers[0].pid = worker.pid
        now = 100.0  # the machine was suspended
        supervisor._check_heartbeats()
        for _ in range(14):
            now += 1.0
            supervisor._check_heartbeats()
            manager.wait_for("WATCHDOG")
        manager.wait_for("WATCHDOG")
        assert worker.poll() is None
        now += 1.0
        supervisor._check_heartbeats()
        # This test does not reap the worker: as long as it counts as blocked, systemd gets no
        # heartbeat.
        ended = os.WEXITED | os.WNOWAIT | os.WNOHANG
        wait_until(lambda: os.waitid(os.P_PID, worker.pid, ended), "the worker's end")
        now += 1.0
        supervisor._check_heartbeats()
        Notifier(manager.address).status("the next message")
        assert manager.next() == {"STATUS": "the next message"}

"""Blocked event loops: systemd finds them, or the supervisor if a worker is blocked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.manager import managed
from tests.support.processes import free_port, wait_until
from tests.support.supervised import has_ended, running_workers, token, wait_for_restarts, workers
from tests.support.tokens import SECRET
from verifier.config import load
from verifier.process.sockets import Listeners
from verifier.process.supervisor import Supervisor
from verifier.process.systemd import Notifier
from verifier.process.worker import WorkerJob

WATCHDOG = 3.0  # seconds; a heartbeat is sent every second


BLOCKED = """
import sys, time
from pathlib import Path
from verifier.observability.metrics import Metrics

flush = Metrics.flush

def block_or_flush(metrics):
    while Path(TRIGGER).exists():
        time.sleep(0.05)
    flush(metrics)

Metrics.flush = block_or_flush
from verifier.cli import main
sys.exit(main())
"""


def test_blocked_event_loop_sends_no_heartbeat(tmp_path: Path) -> None:
    trigger = tmp_path / "trigger"
    with managed(tmp_path) as manager, contextlib.ExitStack() as stack:
        environ = {
            "PATH": os.environ["PATH"],
            "JWT_APP_ID": "app",
            "JWT_APP_SECRET": SECRET,
            "VERIFIER_LISTEN": f"127.0.0.1:{free_port()}",
            "VERIFIER_ADMIN_LISTEN": f"unix:{tmp_path / 'admin'}",
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(int(WATCHDOG * 1_000_000)),
        }
        program = BLOCKED.replace("TRIGGER", repr(str(trigger)))
        process = subprocess.Popen([sys.executable, "-c", program, "serve"], env=environ)
        stack.callback(process.wait, 20)
        stack.callback(process.kill)
        manager.wait_for("READY")
        manager.wait_for("WATCHDOG")
        manager.wait_for("WATCHDOG")
        trigger.touch()
        wait_until(lambda: manager.is_silent_for(WATCHDOG), "no heartbeats")
        trigger.unlink()
        manager.wait_for("WATCHDOG")


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

"""Standard error is a pipe that no program reads: the service goes on, and counts lost lines."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess

import pytest

from tests.support.processes import COMMAND, answers_200, free_port, get, wait_until
from tests.support.tokens import SECRET


@pytest.mark.parametrize("workers", ["1", "2"])
def test_log_that_no_program_reads_stops_nothing(workers: str) -> None:
    port, admin = free_port(), free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_WORKERS": workers,
        "VERIFIER_LISTEN": f"127.0.0.1:{port}",
        "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{admin}",
    }
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen([COMMAND, "serve"], env=environ, stderr=writing) as process:
        wait_until(lambda: answers_200(admin, "/healthz"), "health")
        poll = select.poll()
        poll.register(writing, select.POLLOUT)
        while poll.poll(0):  # until the pipe is full
            assert get(port, f"/ext-authz/{len('room')}").status == 401
        for _ in range(20):
            assert get(port, "/ext-authz/standup").status == 401
        process.send_signal(signal.SIGHUP)  # the supervisor and the workers have lines about it
        reloads = b'jitsi_verifier_config_reloads_total{result="ok"} 1.0'
        wait_until(lambda: reloads.decode() in get(admin, "/metrics").body, "the reload")
        received = read_available(reading)
        while b"lines lost" not in received:
            get(port, "/ext-authz/standup")
            received += read_available(reading)
        (lost, *_) = [line for line in received.splitlines() if b"lines lost" in line]
        assert json.loads(lost)["count"] > 0
        while poll.poll(0):
            get(port, "/ext-authz/standup")
        process.terminate()
        assert process.wait(30) == 0
    os.close(reading)
    os.close(writing)


def read_available(descriptor: int) -> bytes:
    """Read what is in a pipe now, without waiting."""
    received = b""
    while select.select([descriptor], [], [], 0)[0]:
        received += os.read(descriptor, 65_536)
    return received

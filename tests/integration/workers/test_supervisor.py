from __future__ import annotations

import fcntl
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.processes import RunningVerifier, running_verifier, wait_until
from tests.support.supervised import (
    both_allow,
    has_ended,
    running_workers,
    sockets,
    token,
    wait_for_restarts,
    workers,
)
from tests.support.tokens import SECRET
from verifier.config import load
from verifier.process.forked_worker import Backoff
from verifier.process.lifecycle import pack_settings, unpack_settings
from verifier.process.sockets import Listeners
from verifier.process.worker import WorkerJob

PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAA
-----END PUBLIC KEY-----
"""


def test_backoff_doubles_and_resets_after_healthy_lifetime() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert [backoff.after(9.9) for _ in range(9)][-3:] == [30.0, 30.0, 30.0]
    assert backoff.after(10) == 0.1
    assert backoff.after(0) == 0.2


def test_supervisor_uses_the_configuration_of_a_worker(tmp_path: Path) -> None:
    usual = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_WORKERS": "2"}
    path = tmp_path / "verifier.toml"
    path.write_text('[hosts."a.example.org"]\napp_id = "a"\n')
    job = WorkerJob(load(usual), lambda: load(usual), Listeners(), tmp_path)
    longer = load(usual | {"VERIFIER_DRAIN_TIMEOUT": "59"}, path)
    assert unpack_settings(pack_settings(longer)) == longer
    job.configuration_replaced(pack_settings(longer))
    assert job.shutdown_seconds() > 59
    for broken in (b"", b"no pickle", pickle.dumps("no settings")):
        job.configuration_replaced(broken)
    assert job.shutdown_seconds() > 59


def lines(verifier: RunningVerifier, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in verifier.log.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def is_locked(directory: Path) -> bool:
    """Return whether systemd-tmpfiles, which locks a directory first, would skip this one."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_workers_end_when_supervisor_is_killed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with running_workers(tmp_path, RUNTIME_DIRECTORY=str(tmp_path / "run")) as verifier:
        pids = workers(verifier)
        (directory,) = (tmp_path / "run").iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert is_locked(directory)
        verifier.process.kill()
        for pid in pids:
            wait_until(lambda: has_ended(pid), "the worker's end")  # noqa: B023  # called at once
        assert not directory.exists()
        with socket.create_server(("127.0.0.1", verifier.port)):
            pass  # no process listens any more


def test_end_leaves_no_processes_and_no_files(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "v.sock"
    with running_workers(
        tmp_path, RUNTIME_DIRECTORY=str(tmp_path / "run"), VERIFIER_LISTEN=f"unix:{path}"
    ) as verifier:
        pids = workers(verifier)
        os.kill(pids[0], signal.SIGKILL)
        wait_for_restarts(verifier, 1, listening=2)
        assert path.exists()
        pids += workers(verifier)
        verifier.process.terminate()
        assert verifier.process.wait(20) == 0
        assert all(map(has_ended, pids))
        assert not path.exists()
        assert list((tmp_path / "run").iterdir()) == []


def test_restarts_leave_no_zombies_and_no_descriptors(tmp_path: Path) -> None:
    with running_workers(tmp_path) as verifier:
        supervisor = sockets(verifier.process.pid)
        for restarts in range(1, 5):
            os.kill(workers(verifier)[-1], signal.SIGKILL)
            wait_for_restarts(verifier, restarts, listening=1 + restarts)
        assert len(sockets(verifier.process.pid)) == len(supervisor)
        assert len(workers(verifier)) == 2
        for pid in workers(verifier):
            assert not has_ended(pid)
            # A worker shares the two listeners with the supervisor, and nothing else. Its own
            # sockets are its end of the channel and the event loop's pair. The connections of
            # this test's requests may still be open for a moment.
            assert len(sockets(pid) & supervisor) == 2
            wait_until(lambda: len(sockets(pid)) == 5, "no other socket")  # noqa: B023  # called at once


def test_crash_loop_is_delayed_while_other_workers_serve(tmp_path: Path) -> None:
    config, key = tmp_path / "verifier.toml", tmp_path / "key.pem"
    key.write_text(good_pem())
    config.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\n[public_keys]\nk = "{key}"\n')
    with running_workers(tmp_path, config) as verifier:
        survivor, victim = workers(verifier)
        key.write_text(PEM)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(lines(verifier, "worker exited")) >= 4, "a crash loop")
        ended = lines(verifier, "worker exited")
        assert [line.get("status") for line in ended[:4]] == [None, 78, 78, 78]
        assert [line["restart_in"] for line in ended[:4]] == [0.1, 0.2, 0.4, 0.8]
        assert {line["worker"] for line in ended} == {1}
        assert verifier.ask("/standup", token()).status == 200
        assert survivor in workers(verifier)
        key.write_text(good_pem())
        wait_until(lambda: verifier.log.count("all workers listen") == 2, "recovery")
        assert both_allow(verifier, token())


def good_pem() -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(encoding, form).decode()


def test_wrong_configuration_is_reported_once(tmp_path: Path) -> None:
    with running_verifier(
        tmp_path, wait=False, VERIFIER_WORKERS="4", JWT_ALLOW_EMPTY="maybe"
    ) as verifier:
        assert verifier.process.wait(20) == os.EX_CONFIG
        assert verifier.log.count("(JWT_ALLOW_EMPTY)") == 1
        assert verifier.log.count("app_id") == 1


def test_unusable_key_is_reported_once_and_ends_service(tmp_path: Path) -> None:
    config, key = tmp_path / "verifier.toml", tmp_path / "key.pem"
    key.write_text(PEM)
    config.write_text(f'app_id = "app"\nworkers = 4\n[public_keys]\nk = "{key}"\n')
    with running_verifier(tmp_path, config, wait=False) as verifier:
        assert verifier.process.wait(20) == os.EX_CONFIG
        assert verifier.log.count(str(key)) == 1
        assert "Traceback" not in verifier.log


def test_address_in_use_is_reported_once_with_several_workers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_WORKERS": "3"}
        with running_verifier(
            tmp_path, None, wait=False, VERIFIER_LISTEN=address, **environ
        ) as verifier:
            assert verifier.process.wait(20) == 1
            (line,) = lines(verifier, "cannot listen")
            assert line["address"] == address


def test_missing_runtime_directory_is_reported_with_its_variables(tmp_path: Path) -> None:
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_WORKERS": "2"}
    with running_verifier(
        tmp_path, None, wait=False, RUNTIME_DIRECTORY=str(tmp_path / "missing"), **environ
    ) as verifier:
        assert verifier.process.wait(20) == 1
        assert "expected RUNTIME_DIRECTORY or TMPDIR" in verifier.log


@pytest.fixture
def slow_config(tmp_path: Path) -> Path:
    """A configuration with so many hosts that the start takes longer than a poll of it."""
    path = tmp_path / "verifier.toml"
    hosts = [f'[hosts."h{n}"]\napp_secret = "{n:04}-{SECRET}"\n' for n in range(200)]
    head = f'app_id = "app"\napp_secret = "{SECRET}"\nworkers = 2\n'
    path.write_text(head + "".join(hosts))
    return path


def is_caught(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    mask = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


def test_reload_during_start_reaches_all_workers(tmp_path: Path, slow_config: Path) -> None:
    with running_verifier(tmp_path, slow_config, wait=False) as verifier:
        wait_until(lambda: is_caught(verifier.process.pid, signal.SIGHUP), "the handler")
        slow_config.write_text(slow_config.read_text().replace('app_id = "app"', 'app_id = "b"', 1))
        verifier.process.send_signal(signal.SIGHUP)
        verifier.wait_for_log("all workers listen")
        wait_until(lambda: verifier.metric('config_reloads_total{result="ok"}') == 1, "reload")
        wait_until(
            lambda: both_allow(verifier, token(iss="b")), "the new configuration in both workers"
        )


def test_sigterm_during_start_ends_cleanly(tmp_path: Path, slow_config: Path) -> None:
    with running_verifier(tmp_path, slow_config, wait=False) as verifier:
        wait_until(lambda: is_caught(verifier.process.pid, signal.SIGTERM), "the handler")
        verifier.process.terminate()
        assert verifier.process.wait(20) == 0
        assert "Traceback" not in verifier.log


def test_worker_killed_during_reload_returns_with_new_configuration(
    tmp_path: Path, slow_config: Path
) -> None:
    with running_workers(tmp_path, slow_config) as verifier:
        slow_config.write_text(slow_config.read_text().replace('app_id = "app"', 'app_id = "b"', 1))
        pids = workers(verifier)
        verifier.process.send_signal(signal.SIGHUP)
        os.kill(pids[1], signal.SIGKILL)
        wait_for_restarts(verifier, 1, listening=2)
        wait_until(
            lambda: both_allow(verifier, token(iss="b")), "the new configuration in both workers"
        )


SIGHUPS_DURING_RELOAD = """
import os, signal
from verifier.process.lifecycle import LISTENING
from verifier.process.systemd import Notifier
from verifier.process.supervisor import Supervisor

class CountingSupervisor(Supervisor):
    reloads = 0

    def _send_signal(self, number):
        super()._send_signal(number)
        if number == signal.SIGHUP:
            self.reloads += 1
            for number in [signal.SIGHUP] * 5 if self.reloads == 1 else [signal.SIGTERM]:
                os.kill(os.getpid(), number)

class Job:
    def shutdown_seconds(self):
        return 20.0

    def run(self, worker, channel, heartbeat_interval):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        channel.send(LISTENING)
        os.kill(os.getppid(), signal.SIGHUP)
        while True:
            signal.pause()

    def close_listeners(self):
        pass

supervisor = CountingSupervisor(1, Job(), Notifier())
print(supervisor.run(), supervisor.reloads)
"""


UNKILLABLE_WORKER = """
import os, signal
from verifier.process.forked_worker import ForkedWorker
from verifier.process.lifecycle import LISTENING
from verifier.process.systemd import Notifier
from verifier.process.supervisor import Supervisor

class Job:
    def shutdown_seconds(self):
        return 0.1

    def run(self, worker, channel, heartbeat_interval):
        print(os.getpid(), flush=True)
        channel.send(LISTENING)
        os.kill(os.getppid(), signal.SIGTERM)
        while True:
            signal.pause()

    def close_listeners(self):
        pass

# As a process that waits for a network disk: no signal reaches it.
ForkedWorker.send_signal = lambda *_: None
print(Supervisor(1, Job(), Notifier()).run())
"""


def test_supervisor_ends_although_a_worker_cannot_be_killed(tmp_path: Path) -> None:
    output = tmp_path / "output"  # a file, because the worker that remains keeps a pipe open
    with output.open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", UNKILLABLE_WORKER], stdout=file, timeout=30, check=True
        )
    worker, status = output.read_text("ascii").split()
    os.kill(int(worker), signal.SIGKILL)
    assert status == "1"


def test_reloads_requested_during_a_reload_become_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SIGHUPS_DURING_RELOAD],
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    assert ended.stdout == b"0 2\n"

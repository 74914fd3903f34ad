"""What the service reports to systemd, and when."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.manager import managed
from tests.support.processes import RunningVerifier, get, running_verifier
from tests.support.tokens import SECRET
from verifier.process.shutdown import shutdown_seconds
from verifier.process.systemd import Notifier


def configured(tmp_path: Path, workers: int) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\nworkers = {workers}\n')
    return path


def serves(verifier: RunningVerifier) -> bool:
    return get(verifier.port, "/healthz").status == get(verifier.admin, "/readyz").status == 200


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_main_process_reports_start_reload_and_stop(
    tmp_path: Path, workers: int, *, abstract: bool
) -> None:
    config = configured(tmp_path, workers)
    with (
        managed(tmp_path, abstract=abstract) as manager,
        running_verifier(tmp_path, config, wait=False, NOTIFY_SOCKET=manager.address) as verifier,
    ):
        manager.wait_for("READY")
        assert verifier.log.count('"serving"') == workers
        assert serves(verifier)

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        verifier.process.send_signal(signal.SIGHUP)
        assert int(manager.wait_for("RELOADING")["MONOTONIC_USEC"]) >= before
        assert manager.wait_for("READY")["STATUS"] == "serving"
        assert verifier.log.count('"configuration reloaded"') == workers

        config.write_text("app_id = 5\n")
        verifier.process.send_signal(signal.SIGHUP)
        manager.wait_for("RELOADING")
        assert "refused" in manager.wait_for("READY")["STATUS"]
        assert serves(verifier)

        verifier.process.terminate()
        stopping = manager.wait_for("STOPPING")
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) >= shutdown_seconds(10.0) * 1_000_000
        assert verifier.process.wait(20) == 0
        assert manager.senders == {verifier.process.pid}


def test_status_shows_how_many_workers_listen(tmp_path: Path) -> None:
    config = configured(tmp_path, 2)
    with (
        managed(tmp_path) as manager,
        running_verifier(tmp_path, config, wait=False, NOTIFY_SOCKET=manager.address) as verifier,
    ):
        assert manager.wait_for("READY")["STATUS"] == "2 of 2 workers listen"
        pid = verifier.process.pid
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0]
        os.kill(int(child), signal.SIGKILL)
        assert manager.wait_for("STATUS")["STATUS"] == "1 of 2 workers listen"
        again = manager.wait_for("STATUS")
        assert again == {"STATUS": "2 of 2 workers listen"}


def test_bad_configuration_is_never_reported_ready(tmp_path: Path) -> None:
    with managed(tmp_path) as manager:
        given = {"NOTIFY_SOCKET": manager.address, "VERIFIER_DRAIN_TIMEOUT": "soon"}
        with running_verifier(tmp_path, None, wait=False, **given) as verifier:
            assert verifier.process.wait(20) == os.EX_CONFIG
            assert "VERIFIER_DRAIN_TIMEOUT" in verifier.log
        assert manager.senders == set()


def test_started_programs_inherit_no_notify_variables() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1", "A": "b"}
    notifier = Notifier.from_environ(environ)
    assert environ == {"A": "b"}
    assert notifier.watchdog is None  # meant for another process


@pytest.mark.parametrize(
    ("usec", "watchdog"),
    [("5000000", 5.0), ("", None), ("0", None), ("-5", None), ("soon", None), ("9" * 30, None)],
)
def test_watchdog_interval_comes_from_the_environment(usec: str, watchdog: float | None) -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": str(os.getpid())}
    assert Notifier.from_environ(environ).watchdog == watchdog
    environ = {"WATCHDOG_USEC": usec}
    assert Notifier.from_environ(environ).watchdog is None  # there is no service manager


@pytest.mark.parametrize("address", ["", "@", "relative", "vsock:2:9", "/no/such/socket"])
def test_unreachable_service_manager_is_no_error(address: str) -> None:
    notifier = Notifier(address, 1.0)
    notifier.ready("serving")
    notifier.heartbeat()


def test_unread_notify_socket_does_not_block_heartbeats(tmp_path: Path) -> None:
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unread:
        unread.bind(path)
        notifier = Notifier(path, 1.0)
        for _ in range(
            2000
        ):  # more than a queue holds; with a second of waiting each, half an hour
            notifier.heartbeat()

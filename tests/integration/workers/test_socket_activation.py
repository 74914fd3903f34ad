"""Sockets passed on by systemd: by its own tool, and in every form of sd_listen_fds(3)."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.paths import ROOT
from tests.support.processes import COMMAND, DEADLINE, free_port, get, wait_until
from tests.support.tokens import SECRET

Running: TypeAlias = "subprocess.Popen[bytes]"
UNIT = ROOT / "contrib/systemd/jitsi-verifier.socket"
SETTINGS = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "PATH": os.environ["PATH"]}
# Does what a service manager does: moves the descriptors to 3 and above, and sets LISTEN_PID to the
# process id that the executed program keeps.
LAUNCHER = """
import os, sys
%s
os.environ["LISTEN_PID"] = os.environ.get("LISTEN_PID") or str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def running(command: Sequence[str], log: Path, environ: Mapping[str, str]) -> Iterator[Running]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)


def ask_unix(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return client.recv(4096)


@pytest.mark.parametrize("workers", [1, 2])
def test_first_connection_starts_the_service(tmp_path: Path, workers: int) -> None:
    port, admin, path = free_port(), free_port(), tmp_path / "v.sock"
    settings = SETTINGS | {"VERIFIER_WORKERS": str(workers), "VERIFIER_LISTEN": "unix:/nowhere/x"}
    command = [
        *("systemd-socket-activate", "--fdname=decisions:decisions:admin"),
        *(f"--listen={address}" for address in (f"127.0.0.1:{port}", path, f"127.0.0.1:{admin}")),
        *(f"--setenv={name}={value}" for name, value in settings.items()),
        *(str(COMMAND), "serve"),
    ]
    log = tmp_path / "log"
    with running(command, log, {"PATH": os.environ["PATH"]}) as process:
        wait_until(lambda: "Listening on" in log.read_text(), "systemd's tool")
        assert "serving" not in log.read_text()
        wait_until(lambda: get(port, "/healthz").status == 200, "the service")
        assert ask_unix(path).startswith(b"HTTP/1.1 200 OK")
        assert get(admin, "/readyz").json["ready"] is True
        listen = [f"127.0.0.1:{port}", f"unix:{path}"]
        wait_until(lambda: log.read_text().count('"serving"') == workers, "all workers")
        lines = [line for line in log.read_text().splitlines() if '"serving"' in line]
        assert [json.loads(line)["listen"] for line in lines] == [listen] * workers
        process.terminate()
        assert process.wait(DEADLINE) == 0
        assert path.exists()  # systemd created it, and removes it


@contextmanager
def passed(
    tmp_path: Path, sockets: Sequence[socket.socket], **environ: str
) -> Iterator[tuple[Running, Path]]:
    """Run the service with these sockets as descriptors from 3 upwards."""
    moves = "".join(f"os.dup2({each.fileno()}, {3 + n}); " for n, each in enumerate(sockets))
    free = f"127.0.0.1:{free_port()}"
    settings = {"VERIFIER_LISTEN": free, "LISTEN_FDS": str(len(sockets))} | SETTINGS | environ
    settings.setdefault("VERIFIER_ADMIN_LISTEN", f"127.0.0.1:{free_port()}")
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER % moves, str(COMMAND), "serve"],
            stdout=out,
            stderr=out,
            env=settings,
            pass_fds=[each.fileno() for each in sockets],
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    """Return listening sockets with high descriptor numbers, so that 3 and 4 are free."""
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            low = socket.create_server(("127.0.0.1", 0))
            number = fcntl.fcntl(low.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
            low.close()
            made.append(stack.enter_context(socket.socket(fileno=number)))
        yield made


def name_of(listener: socket.socket) -> str:
    return "{}:{}".format(*listener.getsockname())


def test_unnamed_sockets_are_matched_by_address(
    tmp_path: Path, listening: list[socket.socket]
) -> None:
    decisions, admin = listening
    other = free_port()
    with passed(
        tmp_path,
        [admin, decisions],
        VERIFIER_LISTEN=f"localhost:{decisions.getsockname()[1]},127.0.0.1:{other}",
        VERIFIER_ADMIN_LISTEN=name_of(admin),
    ):
        for port in (decisions.getsockname()[1], other, admin.getsockname()[1]):
            wait_until(lambda: get(port, "/healthz").status == 200, "health")  # noqa: B023  # called at once
        assert get(admin.getsockname()[1], "/readyz").status == 200


def test_systemd_may_pass_only_one_role(tmp_path: Path, listening: list[socket.socket]) -> None:
    admin = free_port()
    with passed(
        tmp_path,
        listening[:1],
        LISTEN_FDNAMES="decisions",
        VERIFIER_ADMIN_LISTEN=f"127.0.0.1:{admin}",
    ):
        wait_until(lambda: get(admin, "/readyz").status == 200, "readiness")
        assert get(listening[0].getsockname()[1], "/healthz").status == 200


def test_socket_without_role_is_reported(tmp_path: Path, listening: list[socket.socket]) -> None:
    with passed(tmp_path, listening, LISTEN_FDNAMES="decisions:else") as (process, log):
        assert process.wait(DEADLINE) == os.EX_CONFIG
        assert "LISTEN_FDS, file descriptor 4: found" in log.read_text()
        assert "FileDescriptorName=decisions or admin" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_sockets_that_cannot_accept_are_reported(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket() as deaf,
        passed(tmp_path, [datagrams, deaf], LISTEN_FDNAMES="decisions:admin") as (process, log),
    ):
        assert process.wait(DEADLINE) == os.EX_CONFIG
        for number in (3, 4):
            assert f"file descriptor {number}: found another kind of socket" in log.read_text()


def test_sockets_for_another_process_are_ignored(
    tmp_path: Path, listening: list[socket.socket]
) -> None:
    port = free_port()
    with passed(tmp_path, listening, LISTEN_PID="1", VERIFIER_LISTEN=f"127.0.0.1:{port}"):
        wait_until(lambda: get(port, "/healthz").status == 200, "health")


def test_reachable_passed_admin_socket_needs_a_token(tmp_path: Path) -> None:
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,  # noqa: S104  # the address that is refused
        passed(tmp_path, [everywhere], LISTEN_FDNAMES="admin") as (process, log),
    ):
        assert process.wait(DEADLINE) == os.EX_CONFIG
        assert "without an admin_token" in log.read_text()


def test_socket_unit_uses_known_names() -> None:
    text = UNIT.read_text("utf-8")
    assert re.findall("^FileDescriptorName=(.*)$", text, re.MULTILINE) == ["decisions"]
    assert re.findall("^ListenStream=(.*)$", text, re.MULTILINE) == ["127.0.0.1:8090"]
    verify = ["systemd-analyze", "verify", "--man=no", str(UNIT)]
    found = subprocess.run(verify, capture_output=True, text=True, check=False)
    # The package is not installed in /opt here. No other problem may be found.
    wrong = [line for line in found.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in wrong if "jitsi-verifier" in line] == []

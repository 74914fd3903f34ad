"""Runs the service and other programs, sends requests to them, and waits for conditions."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

DEADLINE = 60.0  # seconds; a busy machine needs 20 to start a service
_BLOCK = 250  # ports
COMMAND = Path(sys.executable).with_name("jitsi-verifier")
UNPROTECTED = (
    sys.executable,
    "-c",
    "from verifier.process.main import serve; raise SystemExit(serve(None, {}))",
)
"""The service without the protection that hides its descriptors from this user."""


@functools.cache
def _ports() -> Iterator[int]:
    """Return the ports of this process, again and again.

    The process reserves a block of ports as long as it lives: it holds a name in Linux' abstract
    namespace, which belongs to the same network namespace as the ports.
    """
    for first in range(20_000, 32_000, _BLOCK):
        with socket.socket(socket.AF_UNIX) as holder, contextlib.suppress(OSError):
            holder.bind(f"\0jitsi-verifier-tests-{first}")
            holder.detach()
            return itertools.cycle(range(first, first + _BLOCK))
    raise AssertionError("other test processes have reserved all ports")


def free_port() -> int:
    """Return a free TCP port that no other test process gets, also of another run.

    The port lies below the range from which the system takes the ports of outgoing connections. So
    no client takes it before the server listens.
    """
    for port in _ports():
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


def wait_until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Wait until a condition returns a true value, and return that value."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"not within {deadline} s: {what}")


@dataclass(frozen=True)
class Answer:
    """An HTTP response, completely read."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def code(self) -> str:
        """The denial code; empty without one."""
        return self.headers.get("X-Jitsi-Denial", "")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def get(
    port: int, path: str, headers: Mapping[str, str] | None = None, timeout: float = 10
) -> Answer:
    """Send a GET request; ``timeout`` is in seconds."""
    return _exchange(port, "GET", path, headers or {}, None, timeout=timeout)


def post(port: int, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a POST request."""
    return _exchange(port, "POST", path, headers or {}, body)


def _exchange(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    timeout: float = 10,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read().decode())
    finally:
        connection.close()


def accepts(port: int) -> bool:
    """Return whether a program accepts TCP connections on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def answers_200(port: int, path: str) -> bool:
    """Return whether a GET request for this path gets the status 200."""
    try:
        return get(port, path).status == 200
    except (OSError, http.client.HTTPException):
        return False


def client_ports(server_port: int) -> set[str]:
    """Return the address of each client of a server, in the kernel's notation.

    Connections that were closed within the last minute are included (TIME_WAIT).
    """
    server, clients = f"0100007F:{server_port:04X}", set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote = line.split()[1:3]
        if server in {local, remote} and "00000000:0000" not in {local, remote}:
            clients.add(remote if local == server else local)
    return clients


class Program:
    """One running program; its output goes to a file.

    Args:
        arguments: The command.
        log: The file to which its output is appended.
        environ: Its whole environment.
    """

    def __init__(
        self, arguments: Sequence[str | Path], log: Path, environ: Mapping[str, str]
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition is true; raise ``RuntimeError`` if the program ends before."""
        wait_until(lambda: self._process.poll() is not None or condition(), what)
        if self._process.returncode is not None:
            raise RuntimeError(f"ended before {what}:\n{self._log.read_text()}")

    def stop(self) -> int:
        """Send SIGTERM, and SIGKILL after ``DEADLINE`` seconds; return the exit status."""
        self._process.terminate()
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(DEADLINE)


class Stoppable(Protocol):
    """What has a method that ends it."""

    def stop(self) -> object:
        """End it."""


Running = TypeVar("Running", bound=Stoppable)


@contextmanager
def running(started: Running) -> Iterator[Running]:
    """Stop a program, or a server of the tests, at the end of this context."""
    try:
        yield started
    finally:
        started.stop()


@dataclass
class RunningVerifier:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    admin: int
    log_path: Path
    environ: dict[str, str] = field(repr=False)

    def start_again(self) -> None:
        """Start the service again after its end; does not wait until it listens."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.process.args, env=self.environ, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        """Everything that the service has logged."""
        return self.log_path.read_text(encoding="utf-8")

    def ask(self, target: str, token: str | None = None) -> Answer:
        """Send the request that Envoy sends, for a target with an optional token."""
        query = "" if token is None else ("&" if "?" in target else "?") + f"jwt={token}"
        return get(self.port, f"/ext-authz{target}{query}")

    def metric(self, sample: str) -> float:
        """Return one sample of the metrics, such as ``keys{source="secret"}``; 0 without it."""
        for line in get(self.admin, "/metrics").body.splitlines():
            name, _, value = line.rpartition(" ")
            if name == f"jitsi_verifier_{sample}":
                return float(value)
        return 0.0

    def wait_for_log(self, words: str) -> None:
        """Wait until the log contains these words."""
        wait_until(lambda: words in self.log, f"{words!r} in the log")


@contextmanager
def running_verifier(
    tmp_path: Path,
    config: Path | None = None,
    *,
    wait: bool = True,
    program: Sequence[str | Path] = (COMMAND, "serve"),
    **environ: str,
) -> Iterator[RunningVerifier]:
    """Run the installed service on free ports inside this context."""
    port, admin = free_port(), free_port()
    log_path = tmp_path / f"verifier-{port}.log"
    settings = {
        "PATH": os.environ["PATH"],
        "VERIFIER_LISTEN": f"127.0.0.1:{port}",
        "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{admin}",
        **environ,
    }
    command = [*program, *([] if config is None else ["--config", str(config)])]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
    running = RunningVerifier(process, port, admin, log_path, settings)
    try:
        if wait:
            wait_until(lambda: get(admin, "/healthz").status == 200, running.log or "health")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
        running.process.wait(DEADLINE)

"""A service of several processes: their ids, and connections that belong to one worker."""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import (
    UNPROTECTED,
    Answer,
    RunningVerifier,
    get,
    running_verifier,
    wait_until,
)
from tests.support.tokens import SECRET, sign

ALL_LISTEN = "all workers listen"
_OWN = re.compile(r'worker_decisions_total\{worker="(\d+)"\} (\S+)')
_DECISIONS = re.compile(r"^jitsi_verifier_decisions_total\{.*\} (\S+)$", re.MULTILINE)


def token(**claims: object) -> str:
    """Return a token for the room ``standup``; one of a module lives as long as any test run."""
    ends = time.time() + 86_400
    usual = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "exp": ends}
    return sign(usual | claims, key=SECRET)


@contextmanager
def running_workers(
    tmp_path: Path, config: Path | None = None, count: int = 2, /, **environ: str
) -> Iterator[RunningVerifier]:
    """Run a service inside this context, and wait until all its workers listen.

    The descriptors of its processes can be read, so that a connection's worker can be found.
    """
    settings: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    if config is not None:
        settings = {"VERIFIER_CONFIG": str(config)}
    settings |= {"VERIFIER_WORKERS": str(count), **environ}
    with running_verifier(tmp_path, program=UNPROTECTED, **settings) as verifier:
        verifier.wait_for_log(ALL_LISTEN)
        yield verifier


def workers(verifier: RunningVerifier) -> list[int]:
    """Return the workers' process ids, the oldest first, including zombies."""
    pid = verifier.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in listed.split()]


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, including zombies."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return True
    return state.rpartition(") ")[2].startswith("Z")


def wait_for_restarts(verifier: RunningVerifier, count: int, listening: int) -> None:
    """Wait for this number of restarts, and until all workers have listened so many times."""
    wait_until(lambda: verifier.metric("worker_restarts_total") == count, "restart")
    wait_until(lambda: verifier.log.count(ALL_LISTEN) == listening, "all listen")


def decisions_by_worker(verifier: RunningVerifier) -> dict[int, int]:
    """Return the number of decisions by worker."""
    exposed = get(verifier.admin, "/metrics").body
    return {int(worker): int(float(count)) for worker, count in _OWN.findall(exposed)}


def decisions(verifier: RunningVerifier) -> int:
    """Return the number of decisions, summed over all labels."""
    exposed = get(verifier.admin, "/metrics").body
    return int(sum(float(count) for count in _DECISIONS.findall(exposed)))


class Client:
    """A connection that stays open, and so belongs to one worker."""

    def __init__(self, verifier: RunningVerifier) -> None:
        self.service = verifier.port
        self._connection = http.client.HTTPConnection("127.0.0.1", verifier.port, timeout=20)
        self._connection.auto_open = 0
        self._connection.connect()
        self.port: int = self._connection.sock.getsockname()[1]

    def ask(self, token: str) -> tuple[int, str]:
        """Ask about the room ``standup``; return the status and the denial code."""
        self._connection.request("GET", f"/ext-authz/standup?jwt={token}")
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("X-Jitsi-Denial", "")

    def exchange(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """Send a request without a body, and return the response."""
        self._connection.request(method, path, None, dict(headers))
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def owned_clients(verifier: RunningVerifier, token: str) -> Iterator[dict[int, list[Client]]]:
    """Open connections until every worker has two; return them by process id.

    One request was sent on each connection.
    """
    owned: dict[int, list[Client]] = {pid: [] for pid in workers(verifier)}
    try:
        while min(map(len, owned.values())) < 2:
            client = Client(verifier)
            client.ask(token)
            owned[_owner(verifier, client)].append(client)
            assert sum(map(len, owned.values())) < 1000, "one worker takes everything"
        yield owned
    finally:
        for clients in owned.values():
            for client in clients:
                client.close()


def _owner(verifier: RunningVerifier, client: Client) -> int:
    """Return the process that has accepted a connection, by the inode of its socket."""
    ends = f":{verifier.port:04X} ", f":{client.port:04X} "
    rows = Path("/proc/net/tcp").read_text("ascii").splitlines()
    (row,) = [row for row in rows if re.search(f"{ends[0]}[0-9A-F]+{ends[1]}", row)]
    link = f"socket:[{row.split()[9]}]"
    (pid,) = [pid for pid in workers(verifier) if link in sockets(pid)]
    return pid


def sockets(pid: int) -> set[str]:
    """Return the sockets of a process, as links like ``socket:[4711]``."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(path.readlink()))
    return {link for link in links if link.startswith("socket:")}


def both_allow(verifier: RunningVerifier, token: str) -> bool:
    """Return whether every worker allows this token."""
    with owned_clients(verifier, token) as owned:
        return all(client.ask(token) == (200, "") for each in owned.values() for client in each)

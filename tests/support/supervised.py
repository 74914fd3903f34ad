"""A sidecar of several processes: who they are, and connections that stay with one of them."""

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
    OPEN_TO_VIEW,
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
    """Make a token that opens ``standup``."""
    usual = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "exp": time.time() + 600}
    return sign(usual | claims, key=SECRET)


@contextmanager
def running_workers(
    tmp_path: Path, config: Path | None = None, count: int = 2, /, **environ: str
) -> Iterator[RunningVerifier]:
    """Run a sidecar until the end of the block; all its workers listen at the beginning.

    Its descriptors are open to view, so that a connection's worker can be told.
    """
    given: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    if config is not None:
        given = {"VERIFIER_CONFIG": str(config)}
    given |= {"VERIFIER_WORKERS": str(count), **environ}
    with running_verifier(tmp_path, program=OPEN_TO_VIEW, **given) as verifier:
        verifier.wait_for_log(ALL_LISTEN)
        yield verifier


def workers(verifier: RunningVerifier) -> list[int]:
    """Give the worker's process ids, the oldest first, those included that have died."""
    pid = verifier.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in listed.split()]


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone; one that nobody has waited for yet is."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return True
    return state.rpartition(") ")[2].startswith("Z")


def wait_for_restarts(verifier: RunningVerifier, count: int, listening: int) -> None:
    """Wait until so many workers have been started again, and all listened so many times."""
    wait_until(lambda: verifier.metric("worker_restarts_total") == count, "restart")
    wait_until(lambda: verifier.log.count(ALL_LISTEN) == listening, "all listen")


def decisions_by_worker(verifier: RunningVerifier) -> dict[int, int]:
    """Read how many decisions each worker has made."""
    exposed = get(verifier.admin, "/metrics").body
    return {int(worker): int(float(count)) for worker, count in _OWN.findall(exposed)}


def decisions(verifier: RunningVerifier) -> int:
    """Read how many decisions have been made, over all labels."""
    exposed = get(verifier.admin, "/metrics").body
    return int(sum(float(count) for count in _DECISIONS.findall(exposed)))


class Client:
    """A connection that stays open, and so stays with one worker."""

    def __init__(self, verifier: RunningVerifier) -> None:
        self.service = verifier.port
        self._connection = http.client.HTTPConnection("127.0.0.1", verifier.port, timeout=20)
        self._connection.auto_open = 0
        self._connection.connect()
        self.port: int = self._connection.sock.getsockname()[1]

    def ask(self, token: str) -> tuple[int, str]:
        """Ask about ``standup``; gives status and denial code."""
        self._connection.request("GET", f"/ext-authz/standup?jwt={token}")
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("X-Jitsi-Denial", "")

    def exchange(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """Ask for anything that needs no body, and read the answer whole."""
        self._connection.request(method, path, None, dict(headers))
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def close(self) -> None:
        """Close it."""
        self._connection.close()


@contextmanager
def owned_clients(verifier: RunningVerifier, token: str) -> Iterator[dict[int, list[Client]]]:
    """Open connections, each asked once, until every worker has two of them; by process id."""
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
    """Find the process that has accepted a connection, by the number of its socket."""
    ends = f":{verifier.port:04X} ", f":{client.port:04X} "
    rows = Path("/proc/net/tcp").read_text("ascii").splitlines()
    (row,) = [row for row in rows if re.search(f"{ends[0]}[0-9A-F]+{ends[1]}", row)]
    link = f"socket:[{row.split()[9]}]"
    (pid,) = [pid for pid in workers(verifier) if link in sockets(pid)]
    return pid


def sockets(pid: int) -> set[str]:
    """Name the sockets of a process."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            links.append(str(path.readlink()))
    return {link for link in links if link.startswith("socket:")}


def both_allow(verifier: RunningVerifier, token: str) -> bool:
    """Tell whether every worker lets this token in."""
    with owned_clients(verifier, token) as owned:
        return all(client.ask(token) == (200, "") for each in owned.values() for client in each)

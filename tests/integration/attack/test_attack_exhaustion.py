"""Many connections that do nothing: other clients are served meanwhile and afterwards."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.attack.good_requests import (
    AUTH,
    GOOD_REQUESTS,
    OPTIONS,
    VERIFY,
    GoodRequest,
)
from tests.integration.attack.raw import connect, exchange, port_of, statuses
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until

HANGING = 500
FEW = 64  # file descriptors
Stall = Callable[[GoodRequest], bytes]
STALLED: dict[str, Stall] = {
    "nothing": lambda _: b"",
    "a part of the line": lambda good: good.line()[:9],
    "a part of a field": lambda good: good.head()[:-8],
    "a head without its end": lambda good: good.head()[:-2],
    "a body without its end": lambda _: VERIFY.whole()[:-1],
    "a chunk without its end": lambda _: VERIFY.head(b"Transfer-Encoding: chunked") + b"ff\r\n{",
    "an answered request": lambda good: good.whole(),
}


@contextmanager
def hanging(port: int, request: bytes, count: int = HANGING) -> Iterator[list[socket.socket]]:
    """Open connections that send these bytes and then nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(count)]
        for client in clients:
            with suppress(ConnectionError):
                client.sendall(request)
        yield clients


def sockets_of(verifier: RunningVerifier) -> int:
    return len(list(Path(f"/proc/{verifier.process.pid}/fd").iterdir()))


def is_served(verifier: RunningVerifier, good: GoodRequest) -> bool:
    port = port_of(verifier, admin=good.admin)
    return statuses(exchange(port, good.whole(b"Connection: close"))) == [200]


@pytest.mark.parametrize("admin", [False, True], ids=["decisions", "admin"])
@pytest.mark.parametrize("stall", STALLED.values(), ids=STALLED.keys())
def test_clients_are_served_while_hundreds_hang(
    verifier: RunningVerifier, stall: Stall, admin: bool
) -> None:
    with hanging(port_of(verifier, admin=admin), stall(AUTH)) as clients:
        wait_until(lambda: sockets_of(verifier) >= HANGING, "all accepted")
        for good in GOOD_REQUESTS:
            assert is_served(verifier, good)
        assert sockets_of(verifier) >= HANGING, "the connections are still open"
        assert len(clients) == HANGING
    wait_until(lambda: sockets_of(verifier) < HANGING / 10, "all closed")


MANY = 60
MEGABYTE = 2**20
MOST_GROWTH = 40 * MEGABYTE
UNFINISHED: dict[str, Stall] = {
    "heads of a megabyte": lambda good: good.line() + b"\r\nX: " + b"a" * MEGABYTE,
    "heads of a megabyte, in fields": lambda good: (
        good.line() + b"\r\n" + b"X-A: b\r\n" * (MEGABYTE // 8)
    ),
    "heads just under the limit": lambda good: good.head()[:-2] + b"X: " + b"a" * 16_000,
    "bodies just under the limit": lambda _: VERIFY.head(b"Content-Length: 65536") + b" " * 65_535,
    "chunks of one byte": lambda _: (
        VERIFY.head(b"Transfer-Encoding: chunked") + b"1\r\n \r\n" * 65_000
    ),
    "pipelines behind unread responses": lambda good: good.whole() * 5_000,
}


def resident_bytes(verifier: RunningVerifier) -> int:
    pages = Path(f"/proc/{verifier.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def send_all(client: socket.socket, data: bytes) -> None:
    """Send what the server takes; a server that pauses or closes is what the test wants."""
    client.settimeout(0.5)
    with suppress(ConnectionError, TimeoutError):
        client.sendall(data)


@pytest.mark.parametrize("admin", [False, True], ids=["decisions", "admin"])
@pytest.mark.parametrize("unfinished", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_unfinished_requests_take_little_memory(
    tmp_path: Path, unfinished: Stall, admin: bool
) -> None:
    with running_verifier(tmp_path, None, wait=True, **OPTIONS) as verifier, ExitStack() as stack:
        assert is_served(verifier, AUTH)
        before = resident_bytes(verifier)
        for _ in range(MANY):
            client = stack.enter_context(connect(port_of(verifier, admin=admin)))
            send_all(client, unfinished(AUTH))
        for good in GOOD_REQUESTS:
            assert is_served(verifier, good)
        assert resident_bytes(verifier) - before < MOST_GROWTH


def test_a_slow_head_is_closed_after_its_time(verifier: RunningVerifier) -> None:
    """The real limit of ten seconds; the unit tests use shorter limits."""
    with hanging(verifier.port, AUTH.head()[:-40], count=10) as clients:
        for client in clients:
            client.settimeout(0.2)
        wait_until(lambda: all(has_been_closed(client) for client in clients), "closed")


def has_been_closed(client: socket.socket) -> bool:
    """Send another byte, and return whether the server has closed the connection."""
    try:
        client.sendall(b"a")
        return not client.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_the_service_survives_a_lack_of_file_descriptors(tmp_path: Path) -> None:
    with running_verifier(tmp_path, None, wait=True, **OPTIONS) as verifier:
        resource.prlimit(verifier.process.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
        with hanging(verifier.port, AUTH.head()[:-2], count=2 * FEW):
            verifier.wait_for_log("out of system resource")
            wait_until(lambda: verifier.log.count("out of system resource") > 2, "three tries")
            assert verifier.log.count("out of system resource") < 10
        wait_until(lambda: is_served(verifier, AUTH), "service")
        assert get(verifier.admin, "/healthz").status == 200
        assert "Traceback" not in verifier.log


def test_the_file_descriptor_limit_is_raised(
    tmp_path: Path, few_descriptors_at_first: None
) -> None:
    del few_descriptors_at_first
    with running_verifier(tmp_path, None, wait=True, **OPTIONS) as verifier:
        limits = resource.prlimit(verifier.process.pid, resource.RLIMIT_NOFILE)
        assert limits[0] == limits[1] > FEW


@pytest.fixture
def few_descriptors_at_first() -> Iterator[None]:
    """Halve the soft limit, which child processes inherit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)

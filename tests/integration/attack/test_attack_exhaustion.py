"""Many connections that do nothing: whoever does something is served, meanwhile and afterwards."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.attack.places import LANE, OPTIONS, PLACES, VERIFY, Place
from tests.integration.attack.raw import connect, exchange, port_of, statuses
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until

HANGING = 500
FEW = 64  # file descriptors
Stall = Callable[[Place], bytes]
STALLED: dict[str, Stall] = {
    "nothing": lambda _: b"",
    "a part of the line": lambda place: place.line()[:9],
    "a part of a field": lambda place: place.head()[:-8],
    "a head without its end": lambda place: place.head()[:-2],
    "a body without its end": lambda _: VERIFY.whole()[:-1],
    "a chunk without its end": lambda _: VERIFY.head(b"Transfer-Encoding: chunked") + b"ff\r\n{",
    "an answered request": lambda place: place.whole(),
}


@contextmanager
def hanging(port: int, request: bytes, count: int = HANGING) -> Iterator[list[socket.socket]]:
    """Open connections that say this and then nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(count)]
        for client in clients:
            with suppress(ConnectionError):
                client.sendall(request)
        yield clients


def sockets_of(verifier: RunningVerifier) -> int:
    return len(list(Path(f"/proc/{verifier.process.pid}/fd").iterdir()))


def is_served(verifier: RunningVerifier, place: Place) -> bool:
    port = port_of(verifier, admin=place.admin)
    return statuses(exchange(port, place.whole(b"Connection: close"))) == [200]


@pytest.mark.parametrize("admin", [False, True], ids=["decisions", "admin"])
@pytest.mark.parametrize("stall", STALLED.values(), ids=STALLED.keys())
def test_others_are_served_while_hundreds_hang(
    verifier: RunningVerifier, stall: Stall, admin: bool
) -> None:
    with hanging(port_of(verifier, admin=admin), stall(LANE)) as clients:
        wait_until(lambda: sockets_of(verifier) >= HANGING, "all accepted")
        for place in PLACES:
            assert is_served(verifier, place)
        assert sockets_of(verifier) >= HANGING, "they hang no more"
        assert len(clients) == HANGING
    wait_until(lambda: sockets_of(verifier) < HANGING / 10, "all closed")


def test_a_head_that_drips_is_closed_when_its_time_is_up(verifier: RunningVerifier) -> None:
    """Ten seconds, however often a byte comes; other limits are tested with shorter times."""
    with hanging(verifier.port, LANE.head()[:-40], count=10) as clients:
        for client in clients:
            client.settimeout(0.2)
        wait_until(lambda: all(has_been_closed(client) for client in clients), "closed")


def has_been_closed(client: socket.socket) -> bool:
    """Send another byte of the field; tell whether anybody is there to read it."""
    try:
        client.sendall(b"a")
        return not client.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_service_without_file_descriptors_survives_says_so_and_recovers(tmp_path: Path) -> None:
    with running_verifier(tmp_path, None, wait=True, **OPTIONS) as verifier:
        resource.prlimit(verifier.process.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
        with hanging(verifier.port, LANE.head()[:-2], count=2 * FEW):
            verifier.wait_for_log("out of system resource")
            wait_until(lambda: verifier.log.count("out of system resource") > 2, "three tries")
            assert verifier.log.count("out of system resource") < 10
        wait_until(lambda: is_served(verifier, LANE), "service")
        assert get(verifier.admin, "/healthz").status == 200
        assert "Traceback" not in verifier.log


def test_as_many_connections_are_accepted_as_the_system_allows(
    tmp_path: Path, few_descriptors_at_first: None
) -> None:
    del few_descriptors_at_first
    with running_verifier(tmp_path, None, wait=True, **OPTIONS) as verifier:
        limits = resource.prlimit(verifier.process.pid, resource.RLIMIT_NOFILE)
        assert limits[0] == limits[1] > FEW


@pytest.fixture
def few_descriptors_at_first() -> Iterator[None]:
    """Give children no more than a shell does that cares for ``select``."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)

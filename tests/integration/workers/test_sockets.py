from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.config import ConfigError, Settings, load
from verifier.process.sockets import Listeners, open_listeners
from verifier.process.systemd import passed_sockets

SECRET = "a-secret-of-more-than-thirty-two-bytes"


def settings(**environ: str) -> Settings:
    usual = {
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_LISTEN": "127.0.0.1:0",
        "VERIFIER_ADMIN_LISTEN": "127.0.0.1:0",
    }
    return load(usual | environ)


@pytest.fixture
def opened() -> Iterator[list[Listeners]]:
    opened: list[Listeners] = []
    yield opened
    for listeners in opened:
        listeners.close()


def test_every_configured_address_is_bound(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    listeners = open_listeners(settings(VERIFIER_LISTEN=f"127.0.0.1:0,unix:{path}"), {})
    opened.append(listeners)
    first, second = map(str, listeners.decisions)
    assert first.startswith("127.0.0.1:")
    assert second == f"unix:{path}"
    assert path.stat().st_mode & 0o777 == 0o666


def connects(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
        return client.connect_ex((host, port)) == 0


@pytest.mark.parametrize("role", ["decisions", "admin"])
def test_ipv6_wildcard_serves_both_families(opened: list[Listeners], role: str) -> None:
    name = {"decisions": "VERIFIER_LISTEN", "admin": "VERIFIER_ADMIN_LISTEN"}[role]
    environ = {name: "[::]:0", "VERIFIER_ADMIN_TOKEN": SECRET}
    opened.append(open_listeners(settings(**environ), {}))
    (listener,) = getattr(opened[0], role)
    listener.listen()
    port = listener.getsockname()[1]
    assert connects("::1", port)
    assert connects("127.0.0.1", port)
    assert str(listener) == f"[::]:{port}"


@pytest.mark.parametrize("other", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
@pytest.mark.parametrize("turn", [1, -1])
def test_ipv6_wildcard_leaves_the_port_to_an_ipv4_address(
    opened: list[Listeners], other: str, turn: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listen = ",".join([f"[::]:{port}", f"{other}:{port}"][::turn])
    opened.append(open_listeners(settings(VERIFIER_LISTEN=listen), {}))
    for listener in opened[0].decisions:
        listener.listen()
    assert len(opened[0].decisions) == 2
    assert connects("::1", port)
    assert connects("127.0.0.1", port)


def test_admin_socket_file_is_for_its_owner_only(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    opened.append(open_listeners(settings(VERIFIER_ADMIN_LISTEN=f"unix:{path}"), {}))
    assert path.stat().st_mode & 0o777 == 0o600


def test_abandoned_socket_file_is_replaced(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(path))
    opened.append(open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {}))
    opened[0].close()
    assert not path.exists()


def test_socket_file_with_a_listener_is_kept(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        for _ in range(3):  # the queue is full after the first attempts
            with pytest.raises(OSError, match=str(path)) as caught:
                opened.append(open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {}))
            assert caught.value.errno == errno.EADDRINUSE
        assert path.exists()


def test_other_file_is_kept_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("mine")
    with pytest.raises(OSError, match="in use") as error:
        open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    assert error.value.filename == f"unix:{path}"
    assert path.read_text() == "mine"


def test_replaced_socket_file_is_not_removed_at_close(tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    first = open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    second = open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_bind_error_closes_addresses_bound_before(tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        with pytest.raises(OSError, match="in use") as error:
            open_listeners(settings(VERIFIER_LISTEN=f"unix:{path},{address}"), {})
    assert (error.value.errno, error.value.filename) == (errno.EADDRINUSE, address)
    assert not path.exists()


def test_host_name_is_bound_on_all_its_addresses(opened: list[Listeners]) -> None:
    opened.append(open_listeners(settings(VERIFIER_LISTEN="localhost:0"), {}))
    assert {str(each).rpartition(":")[0] for each in opened[0].decisions} <= {"127.0.0.1", "[::1]"}
    assert opened[0].decisions


def test_variables_of_another_process_pass_no_sockets() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "OTHER": "x"}
    assert passed_sockets(environ) == []
    assert environ == {"OTHER": "x"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"LISTEN_FDS": "many"}, "LISTEN_FDS: found no such number"),
        ({"LISTEN_FDS": "1000000000"}, "LISTEN_FDS: found no such number"),
        ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "one"}, "found 1 names for 2 sockets"),
    ],
)
def test_contradicting_variables_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        passed_sockets({"LISTEN_PID": str(os.getpid()), **given})


def test_reload_cannot_remove_token_of_reachable_admin_listener(
    opened: list[Listeners],
) -> None:
    guarded = settings(VERIFIER_ADMIN_LISTEN="0.0.0.0:0", VERIFIER_ADMIN_TOKEN="t" * 40)
    opened.append(open_listeners(guarded, {}))
    opened[0].check(guarded)
    with pytest.raises(ConfigError, match="without an admin_token"):
        opened[0].check(settings())
    with pytest.raises(ConfigError, match="admin_token of 15 bytes"):
        opened[0].check(settings(VERIFIER_ADMIN_TOKEN="t" * 15))


@pytest.mark.parametrize(("workers", "yields"), [("1", 0), ("2", 3)])
def test_accept_yields_only_with_several_workers(
    opened: list[Listeners], monkeypatch: pytest.MonkeyPatch, workers: str, yields: int
) -> None:
    """Each yield can cost a time slice on a busy core, and connected clients wait meanwhile."""
    yielded: list[None] = []
    monkeypatch.setattr(os, "sched_yield", lambda: yielded.append(None))
    opened.append(open_listeners(settings(VERIFIER_WORKERS=workers), {}))
    (listener,) = opened[0].decisions
    listener.listen()
    for _ in range(3):
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()
    assert len(yielded) == yields

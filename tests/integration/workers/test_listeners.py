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
    every: list[Listeners] = []
    yield every
    for each in every:
        each.close()


def test_every_configured_address_is_bound(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    listeners = open_listeners(settings(VERIFIER_LISTEN=f"127.0.0.1:0,unix:{path}"), {})
    opened.append(listeners)
    first, second = map(str, listeners.decisions)
    assert first.startswith("127.0.0.1:")
    assert second == f"unix:{path}"
    assert path.stat().st_mode & 0o777 == 0o666


def test_an_admin_socket_is_for_its_owner(opened: list[Listeners], tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    opened.append(open_listeners(settings(VERIFIER_ADMIN_LISTEN=f"unix:{path}"), {}))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_socket_file_from_an_earlier_run_gives_way(
    opened: list[Listeners], tmp_path: Path
) -> None:
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(path))
    opened.append(open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {}))
    opened[0].close()
    assert not path.exists()


def test_a_socket_that_somebody_listens_on_is_not_taken_away(
    opened: list[Listeners], tmp_path: Path
) -> None:
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        for _ in range(3):  # its queue is soon full
            with pytest.raises(OSError, match=str(path)) as caught:
                opened.append(open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {}))
            assert caught.value.errno == errno.EADDRINUSE
        assert path.exists()


def test_a_file_that_is_no_socket_stays_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("mine")
    with pytest.raises(OSError, match="in use") as error:
        open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    assert error.value.filename == f"unix:{path}"
    assert path.read_text() == "mine"


def test_a_socket_file_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    first = open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    second = open_listeners(settings(VERIFIER_LISTEN=f"unix:{path}"), {})
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_what_was_bound_before_an_error_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        with pytest.raises(OSError, match="in use") as error:
            open_listeners(settings(VERIFIER_LISTEN=f"unix:{path},{address}"), {})
    assert (error.value.errno, error.value.filename) == (errno.EADDRINUSE, address)
    assert not path.exists()


def test_a_name_is_bound_on_all_its_addresses(opened: list[Listeners]) -> None:
    opened.append(open_listeners(settings(VERIFIER_LISTEN="localhost:0"), {}))
    assert {str(each).rpartition(":")[0] for each in opened[0].decisions} <= {"127.0.0.1", "[::1]"}
    assert opened[0].decisions


def test_variables_for_another_process_are_no_sockets_for_this_one() -> None:
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
def test_variables_that_contradict_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        passed_sockets({"LISTEN_PID": str(os.getpid()), **given})


def test_a_reload_cannot_take_the_token_from_a_listener_that_others_reach(
    opened: list[Listeners],
) -> None:
    guarded = settings(VERIFIER_ADMIN_LISTEN="0.0.0.0:0", VERIFIER_ADMIN_TOKEN="t" * 40)
    opened.append(open_listeners(guarded, {}))
    opened[0].check(guarded)
    with pytest.raises(ConfigError, match="without an admin_token"):
        opened[0].check(settings())


@pytest.mark.parametrize(("workers", "gives_way"), [("1", 0), ("2", 3)])
def test_who_accepts_gives_way_to_siblings_and_to_nobody_else(
    opened: list[Listeners], monkeypatch: pytest.MonkeyPatch, workers: str, gives_way: int
) -> None:
    """On busy cores each time costs a time slice, and whoever is connected waits for it."""
    gave_way: list[None] = []
    monkeypatch.setattr(os, "sched_yield", lambda: gave_way.append(None))
    opened.append(open_listeners(settings(VERIFIER_WORKERS=workers), {}))
    (listener,) = opened[0].decisions
    listener.listen()
    for _ in range(3):
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()
    assert len(gave_way) == gives_way

"""Revocations in a file: SIGKILL, restarts, several services, and files that cannot be used."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import RunningVerifier, get, running_verifier, wait_until
from tests.support.revocations import ask_admin, listed, revoke, undo
from tests.support.supervised import (
    owned_clients,
    running_workers,
    token,
    wait_for_restarts,
    workers,
)
from tests.support.tokens import SECRET
from verifier.revocation.stores.sqlite_file import FILE_FORMAT

REVOKED = 403, "revoked"
CONFIGURATION = 78


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, Any]:
    return {
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_REVOCATION_STORE": f"sqlite://{tmp_path}/revocations",
    }


def acknowledged_until_killed(verifier: RunningVerifier) -> list[str]:
    """Revoke 1,000 tokens from four threads, kill the service halfway; return what it stored."""
    numbers, acknowledged = count(), []

    def revoke_tokens() -> None:
        while (number := next(numbers)) < 1_000:
            try:
                answer = ask_admin(verifier, "POST", {"jti": f"t-{number}"})
            except OSError:
                return
            if answer.status == 201:
                acknowledged.append(f"t-{number}")

    threads = [threading.Thread(target=revoke_tokens) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= 400, "400 acknowledgements")
    for pid in [*workers(verifier), verifier.process.pid]:
        os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    return acknowledged


@pytest.mark.parametrize("count_of_workers", ["1", "2"])
def test_acknowledged_revocations_survive_sigkill(
    tmp_path: Path, environ: dict[str, Any], count_of_workers: str
) -> None:
    environ |= {"VERIFIER_WORKERS": count_of_workers}
    with running_verifier(tmp_path, **environ) as verifier:
        acknowledged = acknowledged_until_killed(verifier)
        assert 400 <= len(acknowledged) < 1_000
    with running_verifier(tmp_path, **environ) as verifier:
        assert {each["jti"] for each in listed(verifier)} >= set(acknowledged)
        answers = [verifier.ask("/standup", token(jti=jti)) for jti in acknowledged[::50]]
        assert {(answer.status, answer.code) for answer in answers} == {REVOKED}


def test_an_undone_revocation_stays_undone_after_a_restart(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        revoke(verifier, jti="kept", reason="stolen")
        revoke(verifier, jti="undone")
        undo(verifier, jti="undone")
        before = listed(verifier)
    with running_verifier(tmp_path, **environ) as verifier:
        assert listed(verifier) == before
        assert [(each["jti"], each["reason"]) for each in before] == [("kept", "stolen")]
        assert verifier.ask("/standup", token(jti="undone")).status == 200


def test_the_files_are_readable_by_their_owner_only(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        revoke(verifier, jti="a")
        files = list(tmp_path.glob("revocations*"))
        assert len(files) == 3
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


@pytest.fixture
def two_services(
    tmp_path: Path, environ: dict[str, Any]
) -> Iterator[tuple[RunningVerifier, RunningVerifier]]:
    with (
        running_verifier(tmp_path, **environ) as one,
        running_verifier(tmp_path, **environ) as other,
    ):
        yield one, other


def test_another_service_with_the_same_file_applies_changes(
    two_services: tuple[RunningVerifier, RunningVerifier],
) -> None:
    one, other = two_services
    good = token(jti="shared")
    assert other.ask("/standup", good).status == 200
    revoke(one, jti="shared")
    wait_until(
        lambda: other.ask("/standup", good).code == "revoked", "a denial of the other service"
    )
    undo(other, jti="shared")
    wait_until(
        lambda: one.ask("/standup", good).status == 200, "the first service to accept the token"
    )


def test_a_restarted_worker_knows_revocations_in_memory(tmp_path: Path) -> None:
    with running_workers(tmp_path) as verifier:
        good = token(jti="t-1")
        revoke(verifier, jti="t-1")
        for restarts, pid in enumerate(workers(verifier), 1):
            os.kill(pid, signal.SIGKILL)
            wait_for_restarts(verifier, restarts, listening=restarts + 1)
        with owned_clients(verifier, good) as owned:
            clients = [client for each in owned.values() for client in each]
            assert {client.ask(good) for client in clients} == {REVOKED}
            undo(verifier, jti="t-1")
            assert {client.ask(good) for client in clients} == {(200, "")}


def test_revocations_in_memory_end_with_the_service(tmp_path: Path) -> None:
    for _ in range(2):
        with running_workers(tmp_path) as verifier:
            assert listed(verifier) == []
            revoke(verifier, jti="t-1")


def write_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (number)")
        connection.commit()


def write_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {FILE_FORMAT.application_id}")
        connection.execute("PRAGMA user_version = 2")


def write_text(path: Path) -> None:
    path.write_text("app_id = 'app'\n" * 200)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (write_foreign, "a database of another program"),
        (write_newer, "a file of a newer version of this program"),
        (write_text, "file is not a database"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_a_foreign_file_prevents_the_start_and_stays_unchanged(
    tmp_path: Path, environ: dict[str, Any], write: Callable[[Path], Any], text: str
) -> None:
    path = tmp_path / "revocations"
    write(path)
    before = path.read_bytes() if path.is_file() else b""
    assert text in refused_start(tmp_path, environ)
    assert (path.read_bytes() if path.is_file() else b"") == before


def refused_start(tmp_path: Path, environ: dict[str, Any]) -> str:
    with running_verifier(tmp_path, wait=False, **environ) as verifier:
        assert verifier.process.wait(20) == CONFIGURATION
        assert "Traceback" not in verifier.log
        assert "revocation_store (VERIFIER_REVOCATION_STORE): sqlite:///" in verifier.log
        assert "expected a file that this program has made" in verifier.log
        return verifier.log


def test_a_missing_directory_prevents_the_start(tmp_path: Path, environ: dict[str, Any]) -> None:
    environ |= {"VERIFIER_REVOCATION_STORE": f"sqlite://{tmp_path}/none/revocations"}
    assert "No such file or directory" in refused_start(tmp_path, environ)


def test_a_damaged_file_prevents_the_start(tmp_path: Path, environ: dict[str, Any]) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        for number in range(200):
            revoke(verifier, jti=f"t-{number}", reason="x" * 500)
    path = tmp_path / "revocations"
    raw = bytearray(path.read_bytes())
    raw[8_000:40_000] = b"\xff" * 32_000
    path.write_bytes(raw)
    assert "malformed" in refused_start(tmp_path, environ)


def test_nothing_is_acknowledged_while_the_file_is_missing(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        good = token(jti="known")
        revoke(verifier, jti="known")
        away = tmp_path / "away"
        (tmp_path / "revocations").rename(away)
        answer = ask_admin(verifier, "POST", {"jti": "lost"})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["detail"] == "revocation store: No such file or directory"
        assert ask_admin(verifier, "DELETE", {"jti": "known"}).status == 503
        assert verifier.ask("/standup", good).code == "revoked"
        ready = get(verifier.admin, "/readyz")
        assert (ready.status, ready.json["ready"]) == (503, False)
        assert ready.json["revocations"] == "revocation store: No such file or directory"
        wait_until(lambda: verifier.metric("revocation_store_up") == 0, "the metric")
        verifier.wait_for_log('"revocation store unavailable"')
        away.rename(tmp_path / "revocations")
        wait_until(lambda: get(verifier.admin, "/readyz").status == 200, "recovery")
        wait_until(lambda: verifier.metric("revocation_store_up") == 1, "the metric")
        verifier.wait_for_log('"revocation store available again"')
        assert ask_admin(verifier, "POST", {"jti": "lost"}).status == 201


def test_a_full_disk_is_reported_until_writes_succeed(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        written = (tmp_path / "revocations-wal").stat().st_size
        pid, before = verifier.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (written, before[1]))
        answer = ask_admin(verifier, "POST", {"jti": "lost"})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        ended = time.monotonic() + 1.2  # the file is checked twice a second
        wait_until(
            lambda: time.monotonic() > ended or get(verifier.admin, "/readyz").status == 200, "time"
        )
        assert get(verifier.admin, "/readyz").status == 503
        assert listed(verifier) == []
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        wait_until(lambda: get(verifier.admin, "/readyz").status == 200, "recovery")
        revoke(verifier, jti="stored")
        assert [each["jti"] for each in listed(verifier)] == ["stored"]


def test_a_replaced_file_is_not_written_to(tmp_path: Path, environ: dict[str, Any]) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        path = tmp_path / "revocations"
        path.unlink()
        path.touch()
        answer = ask_admin(verifier, "POST", {"jti": "lost"})
        assert (answer.status, answer.json["detail"]) == (
            503,
            "revocation store: the file has been replaced",
        )


def test_an_ended_revocation_cannot_be_undone(tmp_path: Path, environ: dict[str, Any]) -> None:
    with running_verifier(tmp_path, **environ) as verifier:
        revoke(verifier, jti="short", expires=time.time() + 1)
        wait_until(lambda: listed(verifier) == [], "the end")
        assert ask_admin(verifier, "DELETE", {"jti": "short"}).status == 404


def test_a_reload_does_not_change_the_store(tmp_path: Path, environ: dict[str, Any]) -> None:
    del environ["VERIFIER_REVOCATION_STORE"]
    config = tmp_path / "verifier.toml"
    config.write_text("")
    with running_verifier(tmp_path, config, **environ) as verifier:
        revoke(verifier, jti="known")
        config.write_text(f'revocation_store = "sqlite://{tmp_path}/new"\n')
        verifier.process.send_signal(signal.SIGHUP)
        verifier.wait_for_log("restart needed: revocation_store changed")
        verifier.wait_for_log("configuration reloaded")
        assert verifier.ask("/standup", token(jti="known")).code == "revoked"
        assert not (tmp_path / "new").exists()


def test_workers_do_not_start_with_an_unusable_store(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    write_foreign(tmp_path / "revocations")
    log = refused_start(tmp_path, environ | {"VERIFIER_WORKERS": "2"})
    assert log.count("a database of another program") == 1

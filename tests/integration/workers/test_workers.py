from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.support.processes import RunningVerifier, get, post, running_verifier, wait_until
from tests.support.supervised import (
    Client,
    both_allow,
    decisions,
    decisions_by_worker,
    owned_clients,
    running_workers,
    token,
    wait_for_restarts,
    workers,
)
from tests.support.tokens import SECRET
from tests.support.waiting_keys import begin_request, waiting_key_server
from verifier.version import VERSION


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\n')
    return path


def test_metrics_stay_exact_sum_when_a_worker_dies(tmp_path: Path) -> None:
    with running_workers(tmp_path) as verifier:
        first = ask_both(verifier)
        wait_until(lambda: decisions(verifier) == sum(first), "the exact sum")
        wait_until(lambda: sorted(decisions_by_worker(verifier).values()) == sorted(first), "each")
        by_worker = decisions_by_worker(verifier)
        os.kill(workers(verifier)[0], signal.SIGKILL)
        wait_for_restarts(verifier, 1, listening=2)
        assert decisions_by_worker(verifier) == by_worker
        total = sum(first) + sum(ask_both(verifier))
        wait_until(lambda: decisions(verifier) == total, "the exact sum")
        wait_until(lambda: sum(decisions_by_worker(verifier).values()) == total, "by worker")
        duration = 'decision_duration_seconds_count{endpoint="ext-authz"}'
        wait_until(lambda: verifier.metric(duration) == total, "durations")


def ask_both(verifier: RunningVerifier) -> list[int]:
    """Send requests to every worker; return the number of requests for each worker."""
    good = token()
    requests = []
    with owned_clients(verifier, good) as owned:
        for clients in owned.values():
            answers = [client.ask(good) for client in clients for _ in range(25)]
            assert set(answers) == {(200, "")}
            requests.append(len(answers) + len(clients))
    return requests


@pytest.mark.parametrize("count", [1, 2])
def test_metrics_show_workers_and_their_memory(tmp_path: Path, count: int) -> None:
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_WORKERS": str(count)}
    with running_verifier(tmp_path, None, wait=True, **environ) as verifier:
        assert verifier.metric("workers") == count
        for worker in range(count):
            memory = f'worker_resident_memory_bytes{{worker="{worker}"}}'
            wait_until(lambda: verifier.metric(memory) > 10_000_000, "memory")  # noqa: B023  # called at once
        exposed = get(verifier.admin, "/metrics").body
        assert "\njitsi_verifier_worker_restarts_total 0.0\n" in exposed
        assert exposed.count("\njitsi_verifier_worker_decisions_total{") == count
        assert '\njitsi_verifier_keys{source="secret"} 1.0\n' in exposed
        assert f'\njitsi_verifier_build_info{{version="{VERSION}"}} 1.0\n' in exposed


def test_cache_entries_of_dead_worker_are_not_counted(tmp_path: Path) -> None:
    with running_workers(tmp_path) as verifier, owned_clients(verifier, token()):
        wait_until(
            lambda: verifier.metric("decision_cache_entries") == 2, "an entry in both caches"
        )
        os.kill(workers(verifier)[0], signal.SIGKILL)
        wait_until(lambda: verifier.metric("decision_cache_entries") == 1, "one entry less")


def test_killed_worker_fails_no_request_of_another_worker(tmp_path: Path) -> None:
    good = token()
    with running_workers(tmp_path) as verifier, owned_clients(verifier, good) as owned:
        answers: list[tuple[int, str]] = []
        end = threading.Event()

        def load(client: Client) -> None:
            while not end.is_set():
                answers.append(client.ask(good))

        victim, survivor = workers(verifier)
        threads = [threading.Thread(target=load, args=[client]) for client in owned[survivor]]
        for thread in threads:
            thread.start()
        os.kill(victim, signal.SIGKILL)
        wait_for_restarts(verifier, 1, listening=2)
        end.set()
        for thread in threads:
            thread.join()
        assert len(answers) > len(threads)
        assert set(answers) == {(200, "")}
        for client in owned[victim]:
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                client.ask(good)


def test_waiting_connections_survive_death_of_a_worker(
    tmp_path: Path,
) -> None:
    with running_workers(tmp_path) as verifier:
        first, second = workers(verifier)
        for pid in (first, second):
            os.kill(pid, signal.SIGSTOP)
        waiting = []
        for _ in range(20):
            client = socket.create_connection(("127.0.0.1", verifier.port), timeout=20)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            waiting.append(client)
        os.kill(first, signal.SIGKILL)
        os.kill(second, signal.SIGCONT)
        for client in waiting:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
            client.close()


def test_killed_worker_leaves_nothing_in_flight(tmp_path: Path) -> None:
    with waiting_key_server() as keys, running_workers(tmp_path, **keys.environ) as verifier:
        waiting = [begin_request(verifier) for _ in range(8)]
        wait_until(lambda: verifier.metric("in_flight") == 8, "in flight")
        for pid in workers(verifier):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: verifier.metric("in_flight") == 0, "nothing in flight")
        for client in waiting:
            client.close()


@pytest.mark.parametrize("store", ["memory:", "sqlite://{}/revocations"])
def test_worker_that_ends_takes_no_store_from_the_others(
    tmp_path: Path, config: Path, store: str
) -> None:
    (tmp_path / "run").mkdir()
    environ = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    environ["VERIFIER_REVOCATION_STORE"] = store.format(tmp_path)
    with running_workers(tmp_path, config, **environ) as verifier:
        for restarts in (1, 2):
            os.kill(workers(verifier)[0], signal.SIGTERM)
            wait_for_restarts(verifier, restarts, listening=1 + restarts)
            revoke(verifier, f"token {restarts}")
        wait_until(lambda: verifier.metric("revocations") == 2, "both revocations")
        assert "revocation store unavailable" not in verifier.log


def revoke(verifier: RunningVerifier, jti: str) -> None:
    body = json.dumps({"jti": jti, "expires": time.time() + 600}).encode()
    answer = post(verifier.admin, "/v1/revocations", body, {"Content-Type": "application/json"})
    assert answer.status == 201


def test_one_sighup_reloads_every_worker_and_counts_once(tmp_path: Path, config: Path) -> None:
    good = token()
    with running_workers(tmp_path, config) as verifier, owned_clients(verifier, good) as owned:
        config.write_text(f'app_id = "other"\napp_secret = "{SECRET}"\n')
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.log.count('"configuration reloaded"') == 2, "reloads")
        assert {each.ask(good) for own in owned.values() for each in own} == {
            (401, "issuer-not-accepted")
        }
        assert verifier.metric('config_reloads_total{result="ok"}') == 1


def test_bad_configuration_changes_neither_running_nor_restarted_workers(
    tmp_path: Path, config: Path
) -> None:
    with running_workers(tmp_path, config) as verifier:
        config.write_text("app_id = 5\n")
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.log.count('"configuration not reloaded"') == 2, "refusals")
        assert verifier.metric("config_last_reload_successful") == 0
        assert verifier.metric('config_reloads_total{result="error"}') == 1
        for pid in workers(verifier):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: verifier.ask("/standup", token()).status == 200, "new workers")
        wait_until(lambda: verifier.metric("worker_restarts_total") == 2, "restarts")


def test_restarted_worker_has_configuration_of_last_reload(tmp_path: Path, config: Path) -> None:
    with running_workers(tmp_path, config) as verifier:
        config.write_text(f'app_id = "other"\napp_secret = "{SECRET}"\n')
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.log.count('"configuration reloaded"') == 2, "reloads")
        # Changed again, but without a signal.
        config.write_text(f'app_id = "third"\napp_secret = "{SECRET}"\n')
        for restarts, pid in enumerate(workers(verifier), 1):
            os.kill(pid, signal.SIGKILL)
            wait_for_restarts(verifier, restarts, listening=1 + restarts)
        assert both_allow(verifier, token(iss="other"))


def test_changed_number_of_workers_needs_a_restart(tmp_path: Path, config: Path) -> None:
    config.write_text("workers = 2\n" + config.read_text())
    with running_verifier(tmp_path, config) as verifier:
        config.write_text(config.read_text().replace("workers = 2", "workers = 3"))
        verifier.process.send_signal(signal.SIGHUP)
        verifier.wait_for_log("restart needed: number of workers changed")
        wait_until(lambda: verifier.metric('config_reloads_total{result="ok"}') == 1, "reload")
        assert len(workers(verifier)) == 2


def test_sigterm_lets_every_worker_finish_its_requests(tmp_path: Path) -> None:
    with waiting_key_server() as keys, running_workers(tmp_path, **keys.environ) as verifier:
        waiting = [begin_request(verifier) for _ in range(12)]
        wait_until(lambda: verifier.metric("in_flight") == 12, "in flight")
        verifier.process.terminate()
        wait_until(lambda: verifier.log.count('"stopping"') == 3, "the end")
        keys.answer.set()
        for client in waiting:
            assert b"X-Jitsi-Denial: key-unknown" in client.recv(4096)
            client.close()
        assert verifier.process.wait(20) == 0
        assert "Traceback" not in verifier.log

"""Each kind of background work fails in a real service: it is logged, and the service recovers."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.failing import MESSAGE
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until
from tests.support.supervised import token as good_token
from tests.support.tokens import SECRET

WORK = {
    "metrics": ("verifier.observability.metrics", "Metrics.flush"),
    "heartbeats": ("verifier.process.lifecycle", "WorkerLifecycle.heartbeat"),
    "watch of files": ("verifier.keys.sources.polling", "FileWatch.changed"),
    "revocation store": ("verifier.revocation.stores.sqlite", "SqliteStore._check_file"),
    "reload": ("verifier.process.app", "App._install"),
    "audit log": ("logging.handlers", "WatchedFileHandler.reopenIfNeeded"),
}


def program(work: str, trigger: Path) -> Sequence[str | Path]:
    return [sys.executable, "-m", "tests.support.failing", *WORK[work], trigger, "serve"]


def configure(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    config = tmp_path / "verifier.toml"
    config.write_text(
        f'app_id = "app"\napp_secret_file = "{tmp_path}/secret"\n'
        f'audit_log = "{tmp_path}/audit.log"\n'
        f'revocation_store = "sqlite://{tmp_path}/revocations"\n'
    )
    return config


def fail(verifier: RunningVerifier, work: str, trigger: Path) -> dict[str, Any]:
    """Let the work fail, and return the log line about it."""
    trigger.touch()
    if work == "reload":
        verifier.process.send_signal(signal.SIGHUP)
    if work == "audit log":
        verifier.ask("/standup")
    verifier.wait_for_log("internal error")
    assert not trigger.exists()
    lines = [json.loads(line) for line in verifier.log.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["event"] == "internal error"]
    return dict(line)


@pytest.mark.parametrize("work", sorted({*WORK} - {"heartbeats"}))
def test_failure_ends_a_single_process_with_an_error(tmp_path: Path, work: str) -> None:
    trigger = tmp_path / "trigger"
    config = configure(tmp_path)
    with running_verifier(tmp_path, config, program=program(work, trigger)) as verifier:
        line = fail(verifier, work, trigger)
        assert verifier.process.wait(20) == 1
        assert line["work"] == work
        assert line["at"].startswith("LookupError at ")
        assert ".py:" in line["at"]
        assert MESSAGE not in verifier.log
        assert "Traceback" not in verifier.log


@pytest.mark.parametrize("work", sorted(WORK))
def test_failure_replaces_the_worker(tmp_path: Path, work: str) -> None:
    trigger = tmp_path / "trigger"
    config, token = configure(tmp_path), good_token()
    failing = program(work, trigger)
    with running_verifier(tmp_path, config, program=failing, VERIFIER_WORKERS="2") as verifier:
        verifier.wait_for_log("all workers listen")
        line = fail(verifier, work, trigger)
        wait_until(lambda: verifier.metric("worker_restarts_total") == 1, "one restart")
        wait_until(lambda: verifier.log.count("all workers listen") == 2, "all workers again")
        assert line["work"] == work
        assert line["worker"] in (0, 1)
        assert verifier.process.poll() is None
        assert verifier.ask("/standup", token).status == 200
        assert get(verifier.admin, "/healthz").status == 200
        assert MESSAGE not in verifier.log

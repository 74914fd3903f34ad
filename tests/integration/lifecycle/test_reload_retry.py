"""A reload that fails is tried again, and is reported once for each change of the files."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.processes import running_verifier, wait_until
from tests.support.tokens import SECRET
from verifier.process.reloading import ReloadRetry
from verifier.process.systemd import Notifier, ServiceStatus

OK, ERROR = 'config_reloads_total{result="ok"}', 'config_reloads_total{result="error"}'


@pytest.mark.parametrize("workers", [1, 2])
def test_failed_reload_is_tried_again_and_counted_once(tmp_path: Path, workers: int) -> None:
    config, logs = tmp_path / "verifier.toml", tmp_path / "logs"
    good = f'app_id = "app"\napp_secret = "{SECRET}"\n'
    config.write_text(good)
    with running_verifier(tmp_path, config, VERIFIER_WORKERS=str(workers)) as verifier:
        if workers > 1:
            verifier.wait_for_log("all workers listen")
        config.write_text(f'audit_log = "{logs}/audit.log"\n{good}')
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.log.count("not reloaded") == workers, "the refusal")
        # The reason changes, and so it is logged again, but not counted again.
        logs.touch()
        wait_until(lambda: verifier.log.count("not reloaded") == 2 * workers, "the other reason")
        assert verifier.metric(ERROR) == 1
        assert verifier.metric("config_last_reload_successful") == 0
        logs.unlink()
        logs.mkdir()
        wait_until(lambda: verifier.log.count("configuration reloaded") == workers, "success")
        wait_until(lambda: verifier.metric("config_last_reload_successful") == 1, "the metric")
        assert verifier.metric(OK) == 1
        assert verifier.metric(ERROR) == 1
        reasons = [
            json.loads(line)["error"]
            for line in verifier.log.splitlines()
            if "configuration not reloaded" in line
        ]
        assert len(set(reasons)) >= 2


def test_pauses_between_attempts_grow() -> None:
    clock = Clock()
    retry = ReloadRetry(clock)
    due = [retry.is_due]
    pauses = [clock.pause_of(retry, again=attempt > 0) for attempt in range(8)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert clock.pause_of(retry, again=False) == 2
    due.append(retry.is_due)
    retry.succeeded()
    due.append(retry.is_due)
    assert due == [False, True, False]


class Clock:
    def __init__(self) -> None:
        self._now = 0

    def __call__(self) -> float:
        return self._now

    def pause_of(self, retry: ReloadRetry, *, again: bool) -> int:
        """Let a reload fail; return the seconds until the next attempt."""
        retry.failed("reason", again=again)
        start = self._now
        while not retry.is_due:
            self._now += 1
        return self._now - start


def test_failures_are_reported_once_for_each_cause() -> None:
    retry = ReloadRetry(lambda: 0.0)
    reports = [
        retry.failed("a", again=False),
        retry.failed("a", again=True),
        retry.failed("b", again=True),
        retry.failed("b", again=True),
        retry.failed("b", again=False),
    ]
    assert reports == [True, False, True, False, True]


class RecordingNotifier(Notifier):
    def __init__(self) -> None:
        super().__init__()
        self.refused: list[bool] = []

    def serving(self, *, reload_refused: bool = False) -> None:
        self.refused.append(reload_refused)


@pytest.mark.parametrize("refusing", [{0}, {1}, {0, 1}, set()])
def test_status_tells_of_any_worker_that_refused(refusing: set[int]) -> None:
    notifier = RecordingNotifier()
    status = ServiceStatus(notifier, 2)
    status.workers_listen(2)
    status.reload_began()
    for worker in (0, 1):
        status.worker_reloaded(worker, successful=worker not in refusing)
    status.reload_ended()
    assert notifier.refused == [bool(refusing)]
    for worker in refusing:
        status.worker_reloaded(worker, successful=True)
    assert notifier.refused[-1] is False

"""Reloads under load: the listeners do not change."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.processes import Answer, RunningVerifier, running_verifier, wait_until
from tests.support.supervised import token
from tests.support.tokens import SECRET

RELOADS = 100


@pytest.mark.parametrize("workers", [1, 2])
def test_hundred_reloads_under_load_fail_no_request(tmp_path: Path, workers: int) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\nworkers = {workers}\n')
    with running_verifier(tmp_path, config) as verifier:
        answers: list[Answer | OSError] = []
        end = threading.Event()
        load = [threading.Thread(target=ask, args=(verifier, answers, end)) for _ in range(3)]
        for thread in load:
            thread.start()
        try:
            for count in range(1, RELOADS + 1):
                before = len(answers)
                verifier.process.send_signal(signal.SIGHUP)
                wait_until(lambda: reloads(verifier) >= count * workers, "reload")  # noqa: B023  # called at once
                wait_until(lambda: len(answers) > before, "an answer")  # noqa: B023  # as above
        finally:
            end.set()
            for thread in load:
                thread.join()
        assert len(answers) > RELOADS
        assert [each for each in answers if isinstance(each, OSError) or each.status != 200] == []


def reloads(verifier: RunningVerifier) -> int:
    return verifier.log.count('"configuration reloaded"')


def ask(verifier: RunningVerifier, answers: list[Answer | OSError], end: threading.Event) -> None:
    """Send each request on a new connection."""
    good = token()
    while not end.is_set():
        try:
            answers.append(verifier.ask("/standup", good))
        except OSError as error:
            answers.append(error)

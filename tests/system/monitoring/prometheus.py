"""Debian's Prometheus and promtool, with the files of ``contrib/prometheus``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.paths import CONTRIB
from tests.support.processes import Program, answers_200, free_port, get

FOLDER = CONTRIB / "prometheus"


class Prometheus:
    """A running Prometheus that scrapes one service every second.

    Only the port of the target and the intervals differ from the shipped files.

    Args:
        folder: The folder of its copy of the files and of its data.
        admin: The port of the service's admin address.
        minutes_are_seconds: Whether the rules take a second for a minute, for events that take
            hours.
    """

    def __init__(self, folder: Path, admin: int, *, minutes_are_seconds: bool = False) -> None:
        copied = folder / "etc"
        shutil.copytree(FOLDER, copied)
        file = copied / "prometheus.yml"
        text = file.read_text()
        for old, new in (
            ("127.0.0.1:8091", f"127.0.0.1:{admin}"),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 30s", "evaluation_interval: 1s"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text)
        if minutes_are_seconds:
            _shorten(copied / "jitsi-verifier.rules.yml")
        self.port = free_port()
        command = [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._program = Program(command, folder / "log", {"PATH": os.environ["PATH"]})
        self._program.wait_until(lambda: answers_200(self.port, "/-/ready"), "Prometheus")

    def stop(self) -> None:
        """Stop Prometheus."""
        self._program.stop()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current samples of an expression, each with ``metric`` and ``value``."""
        samples: list[dict[str, Any]] = self._get("query?" + urlencode({"query": expression}))[
            "result"
        ]
        return samples

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its state."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str) -> Any:
        answer = json.loads(get(self.port, f"/api/v1/{path}").body)
        assert answer["status"] == "success", answer
        return answer["data"]


def _shorten(rules: Path) -> None:
    """Replace each time of the rules by a sixtieth of it."""
    text = rules.read_text()
    for pattern, replacement in (
        (r"(\[|offset |for: )(\d+)m", r"\1\2s"),
        (r"(\[|offset |for: )(\d+)h", r"\1\2m"),
        (r"offset 1d", "offset 24m"),
        (r"\b90 \* sum", "1.5 * sum"),  # the interval of keep-alives
        (r"\b900 \* job", "15 * job"),  # the seconds of 15 minutes
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    rules.write_text(text)


def promtool(*arguments: str | Path, cwd: Path = FOLDER) -> tuple[int, str]:
    """Run promtool; return its exit status and its output."""
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr

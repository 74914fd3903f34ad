"""The progress bar: drawn only on a terminal, and removed at the end."""

from __future__ import annotations

import errno
import io
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.access_logs import line, token
from tests.support.processes import COMMAND
from tests.support.tokens import SECRET
from verifier.cli.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(total: int | None, *updates: tuple[float, int, int]) -> list[str]:
    clock, stream = Clock(), io.StringIO()
    bar = Progress(stream, clock, total)
    for passed, done, lines in updates:
        clock.now += passed
        bar.update(done, lines)
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_bar_shows_share_lines_and_speed() -> None:
    assert drawn(200, (2, 50, 4000)) == [" 25% [#####...............] 4,000 lines, 2,000/s"]
    assert drawn(200, (1, 900, 1)) == ["100% [####################] 1 lines, 1/s"]


def test_no_bar_without_a_known_total() -> None:
    assert drawn(None, (1, 50, 10)) == ["10 lines, 10/s"]
    assert drawn(0, (1, 0, 10)) == ["10 lines, 10/s"]


def test_bar_is_drawn_at_most_ten_times_a_second() -> None:
    assert len(drawn(None, *[(0.0625, 1, 1)] * 10)) == 5


class ClosedTerminal(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_closed_terminal_is_ignored() -> None:
    clock = Clock()
    bar = Progress(ClosedTerminal(), clock, None)
    clock.now += 1
    bar.update(1, 1)
    bar.clear()


@pytest.mark.slow
@pytest.mark.parametrize(("terminal", "shown"), [("xterm", True), ("dumb", False)])
def test_bar_is_for_terminals_and_is_removed(tmp_path: Path, terminal: str, *, shown: bool) -> None:
    log = tmp_path / "a.log"
    log.write_text(line(f"/standup?jwt={token()}") * 20_000)
    environ = {"PATH": os.environ["PATH"], "TERM": terminal}
    environ |= {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "replay", log], env=environ, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        out = process.communicate()[0].decode()
    try:
        bar = os.read(ours, 65_536).decode()
    except OSError:  # Linux raises this if nothing was written
        bar = ""
    os.close(ours)
    assert process.returncode == 0
    assert "allowed" in out
    assert "\x1b" not in out
    assert bar.endswith("\r\x1b[K") == shown

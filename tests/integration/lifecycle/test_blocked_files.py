"""Files that block for ever, like those of a network disk whose server is gone.

A FIFO is such a file: to open it waits until another program opens its other end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.processes import get, running_verifier, wait_until
from tests.support.supervised import (
    both_allow,
    has_ended,
    running_workers,
    token,
    wait_for_restarts,
    workers,
)
from tests.support.tokens import SECRET
from verifier.config import ConfigError
from verifier.process import blocking

GOOD = f'app_id = "app"\napp_secret = "{SECRET}"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(GOOD)
    return path


def block(path: Path) -> None:
    """Replace a file by one that cannot be opened now."""
    fifo = path.with_suffix(".fifo")
    os.mkfifo(fifo)
    fifo.replace(path)


OPENAT = {"257", "56"}  # the number of the system call, on x86-64 and on arm64


def is_blocked(pid: int) -> bool:
    """Return whether a thread of the process waits for the opening of a file to end."""
    calls = [task.read_text("ascii") for task in Path(f"/proc/{pid}/task").glob("*/syscall")]
    return any(call.partition(" ")[0] in OPENAT for call in calls)


def test_supervisor_goes_on_while_configuration_blocks(tmp_path: Path, config: Path) -> None:
    with running_workers(tmp_path, config) as verifier:
        block(config)
        verifier.process.send_signal(signal.SIGHUP)
        for pid in workers(verifier):
            wait_until(lambda: is_blocked(pid), "a thread that reads")  # noqa: B023  # called at once
        victim = workers(verifier)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for_restarts(verifier, 1, listening=2)
        assert has_ended(victim)
        assert both_allow(verifier, token())
        verifier.process.terminate()
        assert verifier.process.wait(20) == 0


def test_single_process_goes_on_while_configuration_blocks(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        block(config)
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: is_blocked(verifier.process.pid), "a thread that reads")
        assert verifier.ask("/standup", token()).status == 200
        good = config.with_suffix(".good")
        good.write_text(GOOD.replace('"app"', '"other"'))
        blocked = config.rename(config.with_suffix(".old"))
        good.replace(config)
        with blocked.open("w"):  # the disk responds again, and the old read finds nothing
            pass
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.ask("/standup", token(iss="other")).status == 200, "reload")
        block(config)
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: is_blocked(verifier.process.pid), "a thread that reads")
        verifier.process.terminate()
        assert verifier.process.wait(20) == 0


@pytest.mark.parametrize("count", ["1", "2"])
def test_audit_log_that_blocks_stops_no_decision(tmp_path: Path, config: Path, count: str) -> None:
    audit = tmp_path / "audit.log"
    os.mkfifo(audit)
    with running_verifier(tmp_path, config, VERIFIER_WORKERS=count) as verifier:
        config.write_text(f'audit_log = "{audit}"\n{GOOD}')
        verifier.process.send_signal(signal.SIGHUP)
        if count == "1":
            wait_until(lambda: is_blocked(verifier.process.pid), "a thread that opens")
        assert verifier.ask("/standup", token()).status == 200
        assert get(verifier.admin, "/healthz").status == 200
        assert "configuration reloaded" not in verifier.log
        reader = os.open(audit, os.O_RDONLY | os.O_NONBLOCK)
        try:
            wait_until(
                lambda: verifier.log.count('"configuration reloaded"') == int(count), "reload"
            )
        finally:
            os.close(reader)


async def test_reader_gives_up_and_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "READ_SECONDS", 0.05)
    go_on, calls = threading.Event(), list[int]()

    def read() -> int:
        calls.append(len(calls))
        assert go_on.wait(20)
        return calls[-1]

    reader = blocking.BoundedReader(read)
    for _ in range(3):
        with pytest.raises(ConfigError, match="no end after"):
            await reader.read()
    assert calls == [0]
    monkeypatch.setattr(blocking, "READ_SECONDS", 20)
    waiting = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    go_on.set()
    # The call that was blocked began before, and may have found an older configuration.
    assert await waiting == 1


async def test_reader_raises_what_the_reading_raises() -> None:
    def read() -> None:
        raise ConfigError([])

    reader = blocking.BoundedReader(read)
    for _ in range(2):
        with pytest.raises(ConfigError):
            await reader.read()

"""What other processes can read of a running process in /proc, and core files."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import COMMAND, RunningVerifier, running_verifier, wait_until
from tests.support.supervised import ALL_LISTEN, workers
from tests.support.tokens import SECRET
from verifier.cli.main import program

# Root may read everything, unless it drops its capabilities. Without them, two processes of root
# have the same rights over each other as two processes of any other user.
_NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
PLAIN = _NO_CAPABILITIES if os.geteuid() == 0 else ()
SERVE = (*PLAIN, COMMAND, "serve")
OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
_SECRET = re.compile("secret|token|pass|key(?!s)", re.IGNORECASE)
READ = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read(4096))"


def read(pid: int, name: str) -> bytes | None:
    """Read a file of a process from another process of the same user; None if it is refused."""
    command = [*PLAIN, sys.executable, "-c", READ, f"/proc/{pid}/{name}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0 or b"PermissionError" in done.stderr
    return done.stdout if done.returncode == 0 else None


def processes(verifier: RunningVerifier) -> list[int]:
    return [verifier.process.pid, *workers(verifier)]


@pytest.mark.parametrize("name", ["environ", "maps", "auxv"])
def test_other_processes_cannot_read_supervisor_and_workers(tmp_path: Path, name: str) -> None:
    two = {**OPTIONS, "VERIFIER_WORKERS": "2"}
    with running_verifier(tmp_path, program=SERVE, **two) as verifier:
        verifier.wait_for_log(ALL_LISTEN)
        assert len(processes(verifier)) == 3
        assert [read(pid, name) for pid in processes(verifier)] == [None] * 3
        # The worker measures itself a few times a second.
        measured = 'worker_resident_memory_bytes{worker="1"}'
        wait_until(lambda: verifier.metric(measured) > 1e6, "the worker's memory")


def test_same_files_of_another_program_can_be_read() -> None:
    command = [*PLAIN, sys.executable, "-c", "input()"]
    environ = {**os.environ, "JWT_APP_SECRET": SECRET}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environ) as other:
        # setpriv, which has the same process id at first, must have executed the program.
        wait_until(lambda: b"input()" in (read(other.pid, "cmdline") or b""), "the program")
        assert SECRET.encode() in (read(other.pid, "environ") or b"")
        other.communicate(b"\n")


def test_no_core_file_is_written(tmp_path: Path) -> None:
    with running_verifier(tmp_path, program=SERVE, **OPTIONS) as verifier:
        limits = (read(verifier.process.pid, "limits") or b"").decode()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]


def test_memory_is_protected_before_configuration_is_read(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    os.mkfifo(config)  # its reader waits until the test opens it for writing
    environ = {"PATH": os.environ["PATH"]}
    command = [*SERVE, "--config", config]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as started:
        with config.open("wb") as held:  # waits until the service reads
            assert read(started.pid, "environ") is None
            held.write(b"no toml")
        started.communicate()
        assert started.returncode == os.EX_CONFIG


def test_no_command_takes_a_secret_as_argument() -> None:
    """Every user can read arguments. A token may be one, or come on standard input."""
    named = (name for name in arguments(program()) if _SECRET.search(name))
    taken = {name for name in named if not name.endswith(" FILE")}
    assert "jitsi-verifier check-gate --key FILE" in arguments(program())
    assert taken == {
        "jitsi-verifier explain TOKEN|URL|-",
        "jitsi-verifier revoke TOKEN|URL|-",
        "jitsi-verifier revoke --token-digest SHA256",
    }


def arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the name of every argument that takes a value."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from arguments(command)
        elif action.nargs != 0:
            words = [*action.option_strings, action.metavar or action.dest]
            yield f"{parser.prog} {' '.join(map(str, words))}"

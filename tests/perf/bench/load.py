"""The load generator: wrk with one thread, and what a run of it measured."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

CONNECTIONS: Final = 32
_SCRIPT: Final = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A part of a file with tokens.

    Attributes:
        file: Tokens of one length, one a line.
        first: The number of its first token.
        count: How many there are.
        again: Whether to begin anew behind the last one.
    """

    file: Path
    first: int
    count: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What one run sent and got.

    Attributes:
        requests: How many were answered.
        seconds: How long it took.
        refused: How many answers had a status of 400 or more.
        broken: How many connections failed, or were too slow.
        p50: Median latency, milliseconds.
        p99: 99th percentile of the latency, milliseconds.
        cpu: CPU time of the generator itself, seconds.
    """

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float
    cpu: float


class Generator:
    """A running wrk.

    Args:
        port: Where it sends to, on the loopback interface.
        head: The request, with @TOKEN@ where a token is to stand.
        seconds: How long.
        tokens: What to put there.
        connections: How many, kept open.
    """

    def __init__(
        self,
        port: int,
        head: bytes,
        seconds: int,
        tokens: Tokens | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._head = tempfile.NamedTemporaryFile(suffix=".http")  # noqa: SIM115  # until it ends
        self._head.write(head)
        self._head.flush()
        size = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        arguments = [self._head.name, *_arguments(tokens)]
        url = f"http://127.0.0.1:{port}"
        command = ["wrk", *size, "--script", str(_SCRIPT), url, "--", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._head.close()

    def result(self) -> Load:
        """Wait for its end."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            raise RuntimeError(f"wrk ended with status {self._process.returncode}")
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return Load(**found, cpu=usage.ru_utime + usage.ru_stime)


def _arguments(tokens: Tokens | None) -> list[str]:
    if tokens is None:
        return []
    mode = "again" if tokens.again else "once"
    return [str(tokens.file), str(tokens.first), str(tokens.count), mode]

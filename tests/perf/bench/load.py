"""The load generator, wrk with one thread, and its results."""

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
        file: Tokens of one length, one in each line.
        first: The number of its first token.
        count: The number of tokens.
        again: Whether the first token follows the last one.
    """

    file: Path
    first: int
    count: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """The results of one run.

    Attributes:
        requests: Number of answered requests.
        seconds: Duration.
        refused: Number of answers with a status of 400 or more.
        broken: Number of connections that failed or timed out.
        p50: Median latency, milliseconds.
        p99: 99th percentile of the latency, milliseconds.
        cpu: CPU time of the load generator, seconds.
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
        port: The port of the measured program on the loopback interface.
        head: The request, with @TOKEN@ in the place of a token.
        seconds: Duration.
        tokens: The tokens.
        connections: Number of connections, which stay open.
    """

    def __init__(
        self,
        port: int,
        head: bytes,
        seconds: int,
        tokens: Tokens | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._head = tempfile.NamedTemporaryFile(suffix=".http")  # noqa: SIM115  # it exists until __exit__
        self._head.write(head)
        self._head.flush()
        size = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        arguments = [self._head.name, *_arguments(tokens)]
        url = f"http://127.0.0.1:{port}"
        command = ["wrk", *size, "--script", str(_SCRIPT), url, "--", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """Return the generator, which is already running."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop wrk if it is still running."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._head.close()

    def result(self) -> Load:
        """Wait until wrk ends; return its results."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            raise RuntimeError(f"wrk ended with status {self._process.returncode}")
        results: dict[str, Any] = json.loads(output.splitlines()[-1])
        return Load(**results, cpu=usage.ru_utime + usage.ru_stime)


def _arguments(tokens: Tokens | None) -> list[str]:
    if tokens is None:
        return []
    mode = "again" if tokens.again else "once"
    return [str(tokens.file), str(tokens.first), str(tokens.count), mode]

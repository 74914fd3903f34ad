"""Real programs: started on free ports, awaited by condition, stopped by process id."""

from __future__ import annotations

import http.client
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.processes import DEADLINE, free_port, wait_until

__all__ = ["DEADLINE", "Program", "accepts", "answers_200", "free_port", "wait_until"]


def accepts(port: int) -> bool:
    """Say whether somebody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def answers_200(port: int, path: str) -> bool:
    """Say whether a GET is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Program:
    """One running program; what it writes goes to a file.

    Args:
        arguments: The command.
        log: Where its output is appended.
        environ: Its whole environment.
    """

    def __init__(
        self, arguments: Sequence[str | Path], log: Path, environ: Mapping[str, str]
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, but no longer than the program lives."""

        def settled() -> bool:
            return self._process.poll() is not None or condition()

        wait_until(settled, what)
        if self._process.returncode is not None:
            raise RuntimeError(f"ended early, awaiting {what}:\n{self._log.read_text()}")

    def stop(self) -> int:
        """Ask it to end, insist after ``DEADLINE`` seconds; give its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(DEADLINE)

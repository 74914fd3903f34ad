"""A copy of a Debian, in which a test runs an administrator's commands; nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.support.paths import ROOT
from tests.support.processes import DEADLINE, Program

_IN_COPY = Path(__file__).with_name("in-copy")
_LONGEST = 30 * DEADLINE  # seconds; to build a package takes some minutes
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Debian(Protocol):
    """A Debian that is installed in a folder of this machine."""

    @property
    def root(self) -> Path:
        """The folder."""


class DebianCopy:
    """A copy of a Debian. Only root can make one.

    It sees the network, the repository, and ``folder`` under their usual names.

    Args:
        original: The Debian, for example that of a release of Prosody.
        folder: An empty folder for the copy and for files that the copy shares with the test.
        own_network: Whether the copy has a network of its own, in which all ports are free. A test
            reaches it through a ``Forwarder``.
    """

    def __init__(self, original: Debian, folder: Path, *, own_network: bool = False) -> None:
        self._network = ["--net"] if own_network else []
        self._ready, copy = folder / "ready", folder / "copy"
        copy.mkdir()
        # The first process of a copy has to wait for processes that have lost their parents.
        first = f"touch {self._ready}; sleep infinity & wait"
        places: list[str | Path] = [original.root, copy, ROOT, folder]
        command = [_IN_COPY, *self._network, *places, "--", "sh", "-c", first]
        self._program = Program(command, folder / "copy.log", {"PATH": _SEARCH_PATH})
        self._program.wait_until(self._ready.exists, "the copy")
        children = Path(f"/proc/{self._program.pid}/task/{self._program.pid}/children")
        self._first = int(children.read_text("ascii").split()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.kill(self._first, signal.SIGKILL)  # unshare ignores signals while its program runs
        self._program.stop()

    @property
    def network(self) -> Path:
        """The file that stands for the copy's network."""
        return Path(f"/proc/{self._first}/ns/net")

    def run(
        self, command: str, folder: Path = ROOT, *, online: bool = False, **environ: str
    ) -> str:
        """Run a command of the shell in a folder; return its output, standard error included.

        Args:
            command: The command.
            folder: The folder in which it runs.
            online: Whether it sees this machine's network in place of the copy's own.
            environ: Variables of its environment.

        Raises:
            AssertionError: the command failed, or took longer than half an hour (status 124).
        """
        enter = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--root", "--wd"]
        enter += [] if online else self._network
        # Inside the copy: if only nsenter ended, the command would go on and keep the output open.
        limit = ["timeout", "--kill-after=10", f"{_LONGEST:.0f}"]
        done = subprocess.run(
            [*enter, *limit, "sh", "-euc", f"cd {folder}\n{command}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={"PATH": _SEARCH_PATH, "HOME": "/root", **environ},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\nstatus {done.returncode}"
        return done.stdout

    def write(self, file: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside the copy."""
        shared = self._ready.with_name("shared")
        shared.write_text(text)
        self.run(f"install -D -m {mode:o} {shared} {file}")

    def read(self, file: str) -> str:
        """Return the text of a file inside the copy."""
        return self.run(f"cat {file}")

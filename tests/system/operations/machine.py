"""A machine on which docs/operations.md is followed: its folders, its units and its commands.

The commands of the page run in bash as they are written; only folders and addresses are replaced,
because a test has its own. ``systemctl`` and ``journalctl`` stand in for systemd. The first does
what the files in ``contrib/systemd`` say: ``ExecStart=``, with a socket as the socket unit has one,
``ExecReload=``, and SIGTERM for a stop. It returns when the service has reported that it is ready.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.documents import blocks, section
from tests.support.manager import Manager
from tests.support.paths import CONTRIB, DOCS
from tests.support.processes import COMMAND, DEADLINE, free_port, get, wait_until

UNIT: Final = (CONTRIB / "systemd/jitsi-verifier.service").read_text("utf-8")
PAGE: Final = (DOCS / "operations.md").read_text("utf-8")
_EXPECTED: Final = re.compile(r"^(.*?)   # (.*)$")
_START: Final = 'exec 3<&"$1"; shift; LISTEN_PID=$$ exec "$@"'
_SYSTEMCTL: Final = """#!/bin/sh
echo "$*" > {folder}/jobs
exec sh -c "exit $(cat {folder}/results)"
"""


def steps(title: str) -> list[str]:
    """Return the commands of a section: one text for each block."""
    return blocks(section(PAGE, title), "sh")


class Machine:
    """A machine with the service.

    Args:
        folder: The root of its files.
        options: The configuration, without the listeners.
        addresses: Further addresses of the page, and what stands for them.
        has_socket: Whether systemd has the socket, so that it stays open during a restart.
    """

    def __init__(
        self, folder: Path, options: str, addresses: Mapping[str, str], *, has_socket: bool
    ) -> None:
        self.folder, self.port, self.admin = folder, free_port(), free_port()
        self.log = folder / "journal"
        self.etc = folder / "etc/jitsi-verifier"
        self.replaced = {
            "127.0.0.1:8090": f"127.0.0.1:{self.port}",
            "127.0.0.1:8091": f"127.0.0.1:{self.admin}",
            "127.0.0.1:8190": f"127.0.0.1:{free_port()}",
            "127.0.0.1:8191": f"127.0.0.1:{free_port()}",
            **{name: str(folder / name[1:]) for name in ("/etc", "/root", "/opt", "/var", "/run")},
            **addresses,
        }
        for name in (
            "bin",
            "root",
            "opt/jitsi-verifier/bin",
            "run",
            "etc/jitsi-verifier",
            "var/lib/jitsi-verifier",
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "opt/jitsi-verifier/bin/jitsi-verifier").symlink_to(COMMAND)
        self.environ = {"PATH": f"{folder}/bin:{COMMAND.parent}:{os.environ['PATH']}:/usr/sbin"}
        self.environ |= {"HOME": str(folder / "root"), "LANG": "C.UTF-8"}
        self.environ["VERIFIER_CONFIG"] = str(self.etc / "verifier.toml")
        (self.etc / "verifier.toml").write_text(
            f'listen = "127.0.0.1:{self.port}"\nadmin_listen = "127.0.0.1:{self.admin}"\n'
            f'log_format = "json"\n{options}'
        )
        self.log.touch()
        self.jobs: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._manager = Manager(str(folder / "notify"))
        self._listener = None
        if has_socket:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self._write_commands()

    def replace(self, text: str) -> str:
        """Return a text of the page for this machine."""
        pattern = "|".join(sorted(map(re.escape, self.replaced), key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])(?:{pattern})", lambda match: self.replaced[match[0]], text)

    def run(self, commands: str, **variables: str) -> str:
        """Run commands of the page; return their output.

        A line that ends with ``   # TEXT`` is run until its output contains the text.
        """
        lines = [_checked(line) for line in self.replace(commands).splitlines()]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([_CHECK, *lines])],
            env=self.environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=5 * DEADLINE,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}\n{self.tail}"
        return done.stdout

    @property
    def tail(self) -> str:
        """The end of the journal, without denials."""
        lines = self.log.read_text().splitlines()
        return "\n".join([line for line in lines if '"denied"' not in line][-10:])

    def start(self) -> None:
        """Start the service as systemd does, and wait until it is ready."""
        command = shlex.split(self.replace(re.findall("^ExecStart=(.*)$", UNIT, re.MULTILINE)[0]))
        environ = self.environ | {"NOTIFY_SOCKET": self._manager.address}
        passed = [] if self._listener is None else [self._listener.fileno()]
        if passed:
            command = ["bash", "-c", _START, "start", str(passed[0]), *command]
            environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "decisions"}
        self._manager.drop()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=passed,
            )
        self._manager.wait_for("READY")

    def stop(self) -> None:
        """Stop the service as systemd does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE)
            self._process = None

    def restart(self) -> None:
        """Stop the service, and start it again."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Run ``ExecReload=``."""
        assert self._process is not None
        command = re.findall("^ExecReload=(.*)$", UNIT, re.MULTILINE)[0]
        subprocess.run(
            command.replace("$MAINPID", str(self._process.pid)).split(),
            check=True,
            timeout=DEADLINE,
        )

    def metric(self, sample: str) -> float:
        """Return one sample of the metrics; 0 without it."""
        text = get(self.admin, "/metrics").body
        found = re.search(f"^jitsi_verifier_{re.escape(sample)} (.*)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def wait_for_log(self, words: str, count: int = 1) -> None:
        """Wait until the journal contains these words so many times."""
        wait_until(lambda: self.log.read_text().count(words) >= count, f"{words!r}: {self.tail}")

    def close(self) -> None:
        """Stop the service and the stand-ins."""
        self.stop()
        (self.folder / "jobs").write_text("end\n")
        self._thread.join(DEADLINE)
        self._manager.close()
        if self._listener is not None:
            self._listener.close()

    def command(self, name: str, text: str) -> None:
        """Write a command that the page's commands find first."""
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def _write_commands(self) -> None:
        for name in ("jobs", "results"):
            os.mkfifo(self.folder / name)
        self.command("systemctl", _SYSTEMCTL.format(folder=self.folder))
        self.command("journalctl", f'#!/bin/sh\nexec cat "{self.log}"\n')
        self._thread = threading.Thread(target=self._do_jobs)
        self._thread.start()

    def _do_jobs(self) -> None:
        """Do what ``systemctl`` is asked to do, until the job ``end``."""
        known = {"reload": self.reload, "restart": self.restart, "stop": self.stop}
        while True:
            with (self.folder / "jobs").open() as jobs:
                job = jobs.read().strip()
            if job == "end":
                return
            self.jobs.append(job)
            action, _, unit = job.partition(" ")
            status = 1
            if unit == "jitsi-verifier" and action in known:
                known[action]()
                status = 0
            with (self.folder / "results").open("w") as results:
                results.write(str(status))


_CHECK: Final = f"""
check() {{
    found=; for _ in $(seq {round(DEADLINE * 10)}); do
        found=$(eval "$1" 2>&1) || true
        case $found in *"$2"*) printf '%s\\n' "$found"; return 0;; esac
        sleep 0.1
    done
    printf 'expected %s, found %s\\n' "$2" "$found" >&2; return 1
}}"""


def _checked(line: str) -> str:
    match = _EXPECTED.match(line)
    if match is None or line.lstrip().startswith("#"):
        return line
    return f"check {shlex.quote(match[1])} {shlex.quote(match[2])}"


@contextmanager
def running_machine(
    folder: Path,
    options: str,
    addresses: Mapping[str, str] | None = None,
    *,
    has_socket: bool = True,
) -> Iterator[Machine]:
    """Run a machine with the service inside this context."""
    machine = Machine(folder, options, addresses or {}, has_socket=has_socket)
    try:
        machine.start()
        yield machine
    finally:
        machine.close()

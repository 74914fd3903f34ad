"""Containers: real programs with the mounts, the network, the user and the environment of one.

The programs of the images are those of this machine. Not as in Docker: the root file system and
``/tmp`` are this machine's.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.processes import wait_until
from tests.system.deployments.docker_template import FOLDER
from tests.system.deployments.engine.files import ComposeError, Service

STATE: Final = Path("/var/lib/engine")
_PATH: Final = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """What an image contains.

    Attributes:
        user: The number of its user.
        entrypoint: Its entrypoint.
        command: What follows the entrypoint unless the service or the user gives something else.
    """

    user: int
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]


def image_of(service: Service) -> Image:
    """Return the image of a service."""
    name = service.image.rpartition(":")[0].rpartition("/")[2]
    if name == "jitsi-verifier":
        return Image(10001, ("jitsi-verifier",), ("serve",))
    return Image(1000, (str(FOLDER / f"start-{name}"),), ())


class Container:
    """The container of a service, which may be stopped.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._image = image_of(service)
        self._number = sum(service.name.encode()) % 250 + 1
        self._file = STATE / f"{service.name}.json"
        self.log = STATE / f"{service.name}.log"

    @property
    def on_host_network(self) -> bool:
        """Whether its ports are this machine's: all are published, with their own numbers."""
        return self.service.host_network or bool(self.service.published)

    @property
    def address(self) -> str:
        """The address at which other containers reach it."""
        return "127.0.0.1" if self.on_host_network else f"172.30.{self._number}.2"

    @property
    def pid(self) -> int:
        """The process id of its program; 0 if it does not run."""
        return running_pid(self._file)

    @property
    def is_current(self) -> bool:
        """Whether it runs as the files say now."""
        return bool(self.pid) and read_record(self._file)["definition"] == self.service.definition

    def start(self) -> None:
        """Start its program."""
        self._check_ports()
        self._make_network()
        self.log.touch()
        self.log.chmod(0o666)  # its user opens /dev/stdout again
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command([]),
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        known = {"pid": process.pid, "definition": self.service.definition}
        self._file.write_text(json.dumps(known))

    def stop(self) -> None:
        """Stop its program, if it runs, and forget it."""
        stop_program(self._file)

    def run(self, arguments: Sequence[str], user: int | None) -> int:
        """Run the image's program in a new container in the foreground; return its status."""
        self._make_network()
        return subprocess.run(
            self._command(arguments, user), env=self._environ(), check=False
        ).returncode

    def execute(self, command: Sequence[str], *, quiet: bool = False) -> int:
        """Run a command in the running container; return its status."""
        if not self.pid:
            raise ComposeError(f'service "{self.service.name}" is not running')
        user = str(self._image.user)
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--root", "--wdns=/"]
        become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        output = subprocess.DEVNULL if quiet else None
        return subprocess.run(
            [*enter, *become, *command],
            env=self._environ(),
            stdout=output,
            stderr=output,
            check=False,
        ).returncode

    @property
    def is_healthy(self) -> bool:
        """Whether its health check succeeds now; true without one, while it runs."""
        match self.service.healthcheck.get("test"):
            case ["CMD", *command]:
                return self.execute(command, quiet=True) == 0
            case ["CMD-SHELL", script]:
                return self.execute(["/bin/sh", "-c", script], quiet=True) == 0
            case _:
                return bool(self.pid)

    def _check_ports(self) -> None:
        for text in self.service.published:
            outside, inside = text.split(":")
            if outside != inside:
                raise ComposeError(f"{text}: this engine publishes ports under their own numbers")

    def _environ(self) -> dict[str, str]:
        # The image of the verifier sets the second one.
        return {"PATH": _PATH, "PYTHONDONTWRITEBYTECODE": "1", **self.service.environment}

    def _command(self, arguments: Sequence[str], user: int | None = None) -> list[str]:
        """Return the command that makes the container and runs its program."""
        name, number = self.service.name, str(self._image.user if user is None else user)
        inside = [
            *(self.service.entrypoint or self._image.entrypoint),
            *(arguments or self.service.command or self._image.command),
        ]
        become = ["exec", "setpriv", "--reuid", number, "--regid", number, "--clear-groups"]
        script = "\n".join([*self._mounts(), shlex.join([*become, "--no-new-privs", *inside])])
        network = [] if self.on_host_network else ["nsenter", f"--net=/run/netns/{name}"]
        return [*network, "unshare", "--mount", "sh", "-euc", script]

    def _mounts(self) -> Iterator[str]:
        owner = f"uid={self._image.user},gid={self._image.user}"
        yield "umask 022"
        yield "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
        for text in self.service.tmpfs:
            target = text.partition(":")[0]
            if target != "/tmp":  # noqa: S108  # the tests' own files are below it
                yield f"mount -t tmpfs -o {owner} tmpfs {target}"
        for mount in sorted(self.service.mounts, key=lambda each: each.target.count("/")):
            source, target = shlex.quote(mount.source), shlex.quote(mount.target)
            if Path(mount.source).is_file():
                yield f"install -D /dev/null {target}"
            else:
                yield f"mkdir -p {source} {target}"
            if mount.named:
                yield f"chown {self._image.user}:{self._image.user} {source}"
            yield f"mount --bind {source} {target}"

    def _make_network(self) -> None:
        name, number = self.service.name, self._number
        if self.on_host_network or Path(f"/run/netns/{name}").exists():
            return
        script = f"""
mkdir -p /run/netns
touch /run/netns/{name}
unshare --net=/run/netns/{name} ip link set lo up
ip link add v{number} type veth peer name eth0 netns {name}
ip address add 172.30.{number}.1/30 dev v{number}
ip link set v{number} up
nsenter --net=/run/netns/{name} sh -euc '
    ip address add {self.address}/30 dev eth0
    ip link set eth0 up
    ip route add default via 172.30.{number}.1'
"""
        subprocess.run(["sh", "-euc", script], check=True)


def read_record(file: Path) -> dict[str, Any]:
    """Return what is written down about a container; empty if it was never started."""
    return json.loads(file.read_text()) if file.exists() else {}


def running_pid(file: Path) -> int:
    """Return the process id of a container's program; 0 if it does not run."""
    pid = read_record(file).get("pid", 0)
    return pid if Path(f"/proc/{pid}").exists() else 0


def stop_program(file: Path) -> None:
    """Stop a container's program, and forget the container."""
    if pid := running_pid(file):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not running_pid(file), f"the end of {file.stem}")
    file.unlink(missing_ok=True)

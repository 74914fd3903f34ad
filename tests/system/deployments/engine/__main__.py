"""``docker compose`` where no Docker is: what the pages use of it, with real programs.

A container is a real program with the mounts, the network, the user and the environment that the
Compose files give it (``containers``). Compose files are read as Compose reads them (``files``).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.processes import DEADLINE
from tests.system.deployments.engine.containers import STATE, Container, stop_program
from tests.system.deployments.engine.files import ComposeError, mount, read_services


def parser() -> argparse.ArgumentParser:
    """Return the commands and the options that exist here."""
    whole = argparse.ArgumentParser(prog="docker", allow_abbrev=False)
    compose = whole.add_subparsers(required=True).add_parser("compose")
    commands = compose.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    for option in ("--detach", "--build", "--wait", "--remove-orphans"):
        up.add_argument(*(["-d"] if option == "--detach" else []), option, action="store_true")
    run = commands.add_parser("run")
    for option in ("--rm", "--build", "--no-deps"):
        run.add_argument(option, action="store_true")
    run.add_argument("--user", type=int)
    run.add_argument("--volume", action="append", default=[])
    execute = commands.add_parser("exec")
    execute.add_argument("-T", action="store_true")
    for command in (run, execute):
        command.add_argument("service")
        command.add_argument("arguments", nargs=argparse.REMAINDER)
    for name in ("ps", "logs", "restart"):
        command = commands.add_parser(name)
        command.add_argument("services", nargs="+")
        command.add_argument("--tail", type=int, default=0)
    return whole


class Engine:
    """The containers of the current folder's Compose files."""

    def __init__(self) -> None:
        self._containers = {name: Container(service) for name, service in read_services().items()}

    def container(self, name: str) -> Container:
        """Return the container of a service.

        Raises:
            ComposeError: There is no such service.
        """
        if name not in self._containers:
            raise ComposeError(f"no such service: {name}")
        return self._containers[name]

    def up(self, *, build: bool, wait: bool, remove_orphans: bool) -> None:
        """Start what does not run, or runs otherwise than the files say."""
        STATE.mkdir(exist_ok=True)
        if remove_orphans:
            self._remove_orphans()
        wanted = [each for each in self._containers.values() if not each.service.profiles]
        _publish_names(wanted)
        for each in wanted:
            if build:
                _check_build(each)
            if not each.is_current:
                each.stop()
                for name in each.service.after:
                    _wait_until_healthy(self._containers[name])
                each.start()
        for each in wanted if wait else []:
            _wait_until_healthy(each)

    def run(self, name: str, options: argparse.Namespace) -> int:
        """Run one command in a new container."""
        container = self.container(name)
        if options.build:
            _check_build(container)
        container.service.mounts.extend(map(mount, options.volume))
        STATE.mkdir(exist_ok=True)
        return container.run(options.arguments, options.user)

    def _remove_orphans(self) -> None:
        for file in STATE.glob("*.json"):
            if file.stem not in self._containers:
                stop_program(file)


def _publish_names(containers: Sequence[Container]) -> None:
    """Let the names of the containers lead to their addresses, in files and in a name server."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{each.address} {' '.join(each.service.aliases)}" for each in containers]
    Path("/etc/hosts").write_text("\n".join(lines) + "\n")
    pid_file = STATE / "names.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGHUP)  # it reads the file again
        return
    command = [
        "dnsmasq",
        "--listen-address=127.0.0.11",
        "--bind-interfaces",
        "--no-resolv",
        "--local=/#/",
    ]
    # It is ready when the command ends.
    subprocess.run([*command, "--conf-file=/dev/null", f"--pid-file={pid_file}"], check=True)


def _check_build(container: Container) -> None:
    """Check that the image could be built; ``make image-test`` builds it."""
    build = container.service.build
    if build and not Path(build, "Dockerfile").is_file():
        raise ComposeError(f"no Dockerfile in {build}")


def _wait_until_healthy(container: Container) -> None:
    end = time.monotonic() + DEADLINE
    while not container.is_healthy:
        if not container.pid or time.monotonic() > end:
            print(container.log.read_text(), file=sys.stderr)
            raise ComposeError(f"container {container.service.name} is unhealthy")
        time.sleep(0.1)


def main() -> int:
    """Do what the command line says."""
    options = parser().parse_args()
    try:
        return perform(Engine(), options)
    except ComposeError as error:
        print(error, file=sys.stderr)
        return 1


def perform(engine: Engine, options: argparse.Namespace) -> int:
    """Run a command; return its status."""
    match options.command:
        case "up":
            engine.up(build=options.build, wait=options.wait, remove_orphans=options.remove_orphans)
        case "run":
            return engine.run(options.service, options)
        case "exec":
            return engine.container(options.service).execute(options.arguments)
        case "ps":
            for name in options.services:
                state = "healthy" if engine.container(name).is_healthy else "unhealthy"
                print(f"{name}  ({state})")
        case "logs":
            for name in options.services:
                lines = engine.container(name).log.read_text().splitlines()
                print(*lines[-options.tail :], sep="\n")
        case "restart":
            for name in options.services:
                engine.container(name).stop()
                engine.container(name).start()
    return 0


if __name__ == "__main__":
    sys.exit(main())

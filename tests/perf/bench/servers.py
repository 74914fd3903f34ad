"""Starts the measured programs: the verifier and its peers, each in its own process.

All programs are stopped at the end of the context, also after an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.perf.bench.issuers import AUDIENCE, ISSUER, SECRET, Issuer
from tests.support.paths import ROOT
from tests.support.processes import COMMAND, Program, accepts, answers_200, free_port

PEERS: Final = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Server:
    """A running program that answers on the loopback interface.

    Attributes:
        port: Its port.
        pid: Its process id.
        admin: The verifier's admin port.
        socket: The verifier's unix socket, as nginx writes it.
    """

    port: int
    pid: int
    admin: int = 0
    socket: str = ""


class Servers(ExitStack):
    """Starts programs, and stops them at the end of the context.

    Args:
        folder: The folder of their files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._started = 0

    def write_file(self, name: str, content: str | bytes) -> Path:
        """Write a file for a program; return its path."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def new_folder(self) -> Path:
        """Make and return a folder for one program."""
        self._started += 1
        folder = self.folder / f"program-{self._started}"
        folder.mkdir()
        return folder

    def folder_in_memory(self) -> Path:
        """Make and return a folder on a tmpfs, for caches."""
        return Path(self.enter_context(TemporaryDirectory(prefix="bench-", dir="/dev/shm")))

    def start(self, command: Sequence[str | Path], environ: Mapping[str, str]) -> Program:
        """Start a program; its output is shown if it ends too early."""
        usual = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT)}
        program = Program(command, self.new_folder() / "output.log", usual | dict(environ))
        self.callback(program.stop)
        return program

    def sidecar(
        self, issuer: Issuer, command: Sequence[str | Path] = (COMMAND, "serve"), **options: str
    ) -> Server:
        """Start the verifier with these environment variables, and wait until it is ready."""
        port, admin, socket = free_port(), free_port(), f"unix:{self.new_folder()}/sidecar.sock"
        environ = {
            "VERIFIER_LISTEN": f"127.0.0.1:{port},{socket}",
            "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{admin}",
            **self.sidecar_environ(issuer),
            **options,
        }
        program = self.start(command, environ)
        program.wait_until(lambda: answers_200(admin, "/readyz"), "the sidecar")
        return Server(port, program.pid, admin, socket)

    def sidecar_environ(self, issuer: Issuer) -> dict[str, str]:
        """Return the environment variables with which the verifier accepts an issuer's tokens."""
        environ = {
            "JWT_APP_ID": ISSUER,
            "JWT_ACCEPTED_AUDIENCES": AUDIENCE,
            "JWT_SIGN_TYPE": issuer.algorithm,
            **self._peer_environ(issuer),
        }
        if not issuer.private:
            return environ | {"JWT_APP_SECRET": SECRET}
        key = self._key_file(issuer)
        keys = "".join(f'"{name}" = "{key}"\n' for name in issuer.key_ids)
        name = f"keys-{len(issuer.key_ids)}-{issuer.key_ids[0]}.toml"
        return environ | {"VERIFIER_CONFIG": str(self.write_file(name, f"[public_keys]\n{keys}"))}

    def python(self, module: str, issuer: Issuer, *arguments: str) -> Server:
        """Start a peer that is written in Python."""
        command = [sys.executable, "-m", f"tests.perf.bench.peers.{module}", *arguments]
        return self._peer(command, issuer)

    def node(self, script: str, issuer: Issuer, *, cached: bool = False) -> Server:
        """Start a peer that is written for Node.js."""
        return self._peer(["node", PEERS / script], issuer, CACHED=str(cached).lower())

    def _peer(self, command: Sequence[str | Path], issuer: Issuer, **options: str) -> Server:
        port = free_port()
        environ = self._peer_environ(issuer) | {"PORT": str(port)} | options
        program = self.start(command, environ)
        program.wait_until(lambda: accepts(port), str(command[-1]))
        return Server(port, program.pid)

    def _peer_environ(self, issuer: Issuer) -> dict[str, str]:
        return {
            "ALGORITHM": issuer.algorithm,
            "ISSUER": ISSUER,
            "AUDIENCE": AUDIENCE,
            "KEY_FILE": str(self._key_file(issuer)),
        }

    def _key_file(self, issuer: Issuer) -> Path:
        return self.write_file(
            f"{issuer.algorithm}.key", issuer.public if issuer.private else SECRET
        )

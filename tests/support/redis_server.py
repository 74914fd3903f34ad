"""A real redis-server on a free port, which tests can kill and start again."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import DEADLINE, free_port, wait_until
from verifier.revocation.stores.redis_data import EPOCH_FIELD, HASH


@dataclass
class RedisServer:
    """A redis-server.

    Attributes:
        directory: Its working directory, which contains its data and its log.
        options: Options of its command line.
        client_options: Options of redis-cli, such as a password.
        port: Its port.
        process: Its process; None while it does not run.
    """

    directory: Path
    options: tuple[str, ...] = ()
    client_options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        listen = ("--port", "0", "--tls-port") if "--tls-cert-file" in self.options else ("--port",)
        command = ["redis-server", *listen, str(self.port), "--bind", "127.0.0.1", "--dir"]
        command += [str(self.directory), "--save", "", *self.options]
        with (self.directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self.command("PING") == "PONG", "an answer of redis-server")

    def kill(self) -> None:
        """Kill the server, without giving it time to write data."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE)
            self.process = None

    def command(self, *words: str) -> str:
        """Send a command with redis-cli; returns its output."""
        command = ["redis-cli", "-p", str(self.port), *self.client_options, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        return done.stdout.strip()

    def stored(self, *words: str) -> set[str]:
        """Return the IDs of the stored revocations.

        Args:
            words: Options of redis-cli.
        """
        return set(self.command(*words, "HKEYS", HASH).split()) - {EPOCH_FIELD}

    @property
    def hscan_calls(self) -> int:
        """The number of ``HSCAN`` commands, by which stores read all revocations."""
        statistics = self.command("INFO", "commandstats")
        match = re.search(r"cmdstat_hscan:calls=(\d+)", statistics)
        return int(match[1]) if match else 0


@contextmanager
def running_redis(
    directory: Path, *options: str, client: tuple[str, ...] = ()
) -> Iterator[RedisServer]:
    """Run a Redis with its data in a directory, until the end of the block."""
    server = RedisServer(directory, options, client)
    try:
        server.start()
        yield server
    finally:
        server.kill()

"""A real redis-server on a free port, which can be killed and started again."""

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
    """A Redis; ``options`` are those of its command line."""

    directory: Path
    options: tuple[str, ...] = ()
    client_options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        listen = ("--port", "0", "--tls-port") if "--tls-cert-file" in self.options else ("--port",)
        command = ["redis-server", *listen, str(self.port), "--bind", "127.0.0.1", "--dir"]
        command += [str(self.directory), "--save", "", *self.options]
        with (self.directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self.command("PING") == "PONG", "an answer of redis-server's")

    def kill(self) -> None:
        """End it as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE)
            self.process = None

    def command(self, *words: str) -> str:
        """Say something to it, as an operator would."""
        command = ["redis-cli", "-p", str(self.port), *self.client_options, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        return done.stdout.strip()

    def stored(self, *words: str) -> set[str]:
        """Give the names of the revocations that it has."""
        return set(self.command(*words, "HKEYS", HASH).split()) - {EPOCH_FIELD}

    @property
    def hscan_calls(self) -> int:
        """How many times anybody has read everything, or another piece of it."""
        told = self.command("INFO", "commandstats")
        found = re.search(r"cmdstat_hscan:calls=(\d+)", told)
        return int(found[1]) if found else 0


@contextmanager
def running_redis(
    directory: Path, *options: str, client: tuple[str, ...] = ()
) -> Iterator[RedisServer]:
    """Run a Redis that keeps its data in a directory until the end of the block."""
    server = RedisServer(directory, options, client)
    try:
        server.start()
        yield server
    finally:
        server.kill()

"""``serve``: one process, or a supervisor and its workers; from configuration to exit status.

With one worker there is no supervisor. Several share the listeners; each has keys, decisions and
a configuration of its own, and reads the latter again at SIGHUP or when a secret's file changes,
just as one process does: a bad file leaves each as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from verifier.config import ConfigError, Settings, load
from verifier.http.server import HAS_C_PARSER
from verifier.keys.sources.base import KeySourceError
from verifier.log import configure, identify, log, log_bug, traceback_summary
from verifier.observability.metrics import PrometheusObserver, prepare_worker_files
from verifier.observability.sinks import SinkError
from verifier.observability.worker_metrics import WorkerSlot
from verifier.process.app import App
from verifier.process.channel import WorkerLifecycle
from verifier.process.lifecycle import StandaloneLifecycle
from verifier.process.shutdown import longest
from verifier.process.sockets import Listeners, open_listeners
from verifier.process.supervisor import Supervisor
from verifier.process.systemd import Notifier
from verifier.storage.errors import StoreConfigError
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity
from verifier.tokens.redact import hide_tokens

_NO_C_PARSER: Final = (
    "aiohttp's C parser is missing (AIOHTTP_NO_EXTENSIONS, or a build without it); expected it,"
    " since the listeners rely on what it refuses"
)
_WORKERS_GRACE: Final = 1.0  # seconds more than a worker gives itself; then it hangs


def serve(config: Path | None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: The TOML file; None for the one that the environment names, if any.

    Returns:
        0 after a clean end, 78 for a bad configuration, 1 if an address cannot be listened on.
    """
    if not HAS_C_PARSER:
        print(_NO_C_PARSER, file=sys.stderr)  # noqa: T201  # before there is a log
        return os.EX_CONFIG

    def read() -> Settings:
        return load(os.environ, config, terminal=sys.stderr.isatty())

    def run() -> int:
        # Whoever asks for a reload from here on gets one, once there is something to reload.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        manager = Notifier.from_environ(os.environ)
        settings = read()
        configure(settings.log_format, settings.log_level)
        _allow_connections()
        with contextlib.closing(open_listeners(settings, os.environ)) as listeners:
            if settings.workers > 1:
                return _supervise(settings, read, listeners, manager)
            overseer = StandaloneLifecycle(manager)
            asyncio.run(App(settings, read, listeners, PrometheusObserver(), overseer).run())
            return 0

    return _status_of(run)


def _allow_connections() -> None:
    """Take all file descriptors that may be had; the usual 1,024 are there for ``select`` only."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _status_of(run: Callable[[], int]) -> int:
    """Run; say what stopped it from starting, and give the exit status."""
    try:
        return run()
    except (ConfigError, KeySourceError, SinkError, StoreConfigError) as error:
        text = hide_tokens(str(error))  # such as one for the name of a file
        print(text, file=sys.stderr)  # noqa: T201  # before there is a log, or instead of one
        return os.EX_CONFIG
    except OSError as error:
        text = error.strerror or str(error)
        log("cannot listen", logging.ERROR, address=error.filename, error=text)
        return 1


def _supervise(
    settings: Settings, read: Callable[[], Settings], listeners: Listeners, manager: Notifier
) -> int:
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    try:
        made = tempfile.TemporaryDirectory(prefix="jitsi-verifier-", dir=given or None)
    except OSError as error:
        text = "no directory for the workers' metrics; expected RUNTIME_DIRECTORY or TMPDIR"
        log(text, logging.ERROR, error=error.strerror or str(error))
        return 1
    with made as directory, _held(directory):
        job = WorkerJob(settings, read, listeners, Path(directory))
        return Supervisor(settings.workers, job, manager).run()


@contextlib.contextmanager
def _held(directory: str) -> Iterator[None]:
    """Keep systemd-tmpfiles from tidying up what the workers keep there (tmpfiles.d(5))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


class WorkerJob:
    """The supervisor's ``Job``: an ``App`` in each process.

    Args:
        settings: The configuration that is in force.
        read: Reads it again; raises ``ConfigError``.
        listeners: What the workers share.
        directory: Where their metrics are kept, so that any of them can show the sum.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        listeners: Listeners,
        directory: Path,
    ) -> None:
        self._settings = self._next = settings
        self._read = read
        self._listeners = listeners
        self._directory = directory
        self._count = settings.workers
        self._bell = WorkerCounters(self._count)
        for worker in range(self._count):
            prepare_worker_files(self._place(worker), restarted=False)

    def work(self, worker: int, end: socket.socket, beat: float) -> int:
        """Be a worker until a signal, or the supervisor's death, ends it."""
        identify(worker=worker)
        supervisor = WorkerLifecycle(end, beat)

        def run() -> int:
            observer = PrometheusObserver(self._place(worker))
            sibling = WorkerIdentity(worker, self._bell, self._directory)
            app = App(self._settings, self._read, self._listeners, observer, supervisor, sibling)
            asyncio.run(app.run())
            return 0

        try:
            return _status_of(run)
        except Exception as error:  # noqa: BLE001  # whatever it is, the supervisor starts another
            log_bug(traceback_summary(error))
            return 1
        finally:
            if supervisor.orphaned:  # nobody else will
                shutil.rmtree(self._directory, ignore_errors=True)

    def patience(self) -> float:
        """Give the time, seconds, within which workers end by themselves, and a little more."""
        return longest(self._settings.drain_timeout) + _WORKERS_GRACE

    def died(self, worker: int) -> None:
        """Count the restart to come; what the dead one was doing and holding, nobody does now."""
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)  # somebody may tidy up there
            prepare_worker_files(self._place(worker), restarted=True)
        except OSError as error:
            log("the worker's metrics cannot be put right", logging.ERROR, error=error.strerror)

    def asked(self) -> None:
        """Read what workers will read; what is wrong with it is for them to say."""
        self._next = self._settings
        with contextlib.suppress(Exception):  # a bug too: workers live on with it, and so does this
            self._next = self._read()

    def reloaded(self, *, asked: bool) -> None:
        """Have what workers have, so that one that is started again has it too."""
        if not asked:
            self.asked()
        self._settings = self._next
        configure(self._settings.log_format, self._settings.log_level)

    def release(self) -> None:
        """Stop listening in the supervisor; the workers do when they are told."""
        self._listeners.release()

    def _place(self, worker: int) -> WorkerSlot:
        return WorkerSlot(worker, self._count, self._directory)
